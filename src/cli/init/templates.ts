import { posix } from 'node:path'

export const FRAMEWORKS = ['start', 'next', 'hono'] as const
export type Framework = (typeof FRAMEWORKS)[number]

/** Where an app keeps its files, relative to the folder of its package.json, without a slash at the end. */
export interface Places {
  /** Folder of the app's code: `src`, or `.`. */
  readonly source: string
  /** Folder of the routes. */
  readonly routes: string
}

const PRINCIPAL_OF = `// Trusts a cookie. Replace it with your sign-in before you deploy: clients can write any cookie.
export function principalOf(request: Request): Principal | undefined {
  const userId = /(?:^|; )user=(\\w+)/.exec(request.headers.get('cookie') ?? '')?.[1]
  return userId === undefined ? undefined : { tenantId: 'acme', userId }
}`

const HTTP_DB = `import { createHttpWriteAdapter, createSessionCollections } from '@org/session-db'

export function openDb(userId: string) {
  return createSessionCollections({
    electricUrl: '/api/shapes',
    writeAdapter: createHttpWriteAdapter({ url: '/api/write' }),
    identity: { tenantId: 'acme', userId },
  })
}

export type Db = ReturnType<typeof openDb>
`

/**
 * Returns the files that connect an app: the server's store and proxy, the route of the shapes, the way of the
 * writes, and the browser's collections. Those of TanStack Start are the ones of docs/getting-started.md.
 */
export function filesFor(framework: Framework, { source, routes }: Places): [string, string][] {
  const inSource = (path: string) => (source === '.' ? path : `${source}/${path}`)
  const files = { start: startFiles, next: nextFiles, hono: honoFiles }[framework]
  return files(inSource, routes)
}

type Files = (inSource: (path: string) => string, routes: string) => [string, string][]

const startFiles: Files = (inSource, routes) => [
  [
    inSource('server/session-db.server.ts'),
    `import { createSessionStore, createShapeProxy, type Principal } from '@org/session-db/server'

export const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })

${PRINCIPAL_OF}

export const serveShape = createShapeProxy({
  electricUrl: process.env.ELECTRIC_URL ?? '',
  secret: process.env.ELECTRIC_SECRET,
  authenticate: principalOf,
})
`,
  ],
  [
    `${routes}/api/shapes.$.ts`,
    `import { createFileRoute } from '@tanstack/react-router'
import { serveShape } from '${importOf(inSource('server/session-db.server.ts'), `${routes}/api/shapes.$.ts`)}'

// ANY: a method without a handler would fall through to the app's pages.
export const Route = createFileRoute('/api/shapes/$')({
  server: { handlers: { ANY: ({ request }) => serveShape(request) } },
})
`,
  ],
  [
    inSource('server/write-batch.ts'),
    `import { SessionDbError, toWriteFailure, type WriteBatchInput } from '@org/session-db'
import { runWrite } from '@org/session-db/server'
import { createServerFn } from '@tanstack/react-start'
import { getRequest } from '@tanstack/react-start/server'
import { principalOf, store } from './session-db.server'

export const writeBatch = createServerFn({ method: 'POST' })
  .validator((batch: WriteBatchInput) => batch)
  .handler(({ data }) => {
    const principal = principalOf(getRequest())
    if (principal) return runWrite(store, principal, data)
    return toWriteFailure(new SessionDbError('unauthenticated', 'Sign in, then try again.'))
  })
`,
  ],
  [
    inSource('db.ts'),
    `import { createSessionCollections } from '@org/session-db'
import { writeBatch } from './server/write-batch'

export function openDb(userId: string) {
  return createSessionCollections({
    electricUrl: '/api/shapes',
    writeAdapter: (batch) => writeBatch({ data: batch }),
    identity: { tenantId: 'acme', userId },
  })
}

export type Db = ReturnType<typeof openDb>
`,
  ],
]

const nextFiles: Files = (inSource, routes) => {
  const server = inSource('server/session-db.ts')
  const route = (path: string, handler: string, methods: readonly string[]): [string, string] => {
    const file = `${routes}/${path}/route.ts`
    const text = `import { sessionDb } from '${importOf(server, file)}'

const handle = (request: Request) => sessionDb().${handler}(request)

export { ${methods.map((method) => `handle as ${method}`).join(', ')} }
`
    return [file, text]
  }
  return [
    [
      server,
      `import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  type Principal,
} from '@org/session-db/server'

${PRINCIPAL_OF}

function createSessionDb() {
  const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })
  const serveShape = createShapeProxy({
    electricUrl: process.env.ELECTRIC_URL ?? '',
    secret: process.env.ELECTRIC_SECRET,
    authenticate: principalOf,
  })
  const serveWrite = createWriteHandler({ store, authenticate: principalOf })
  return { store, serveShape, serveWrite }
}

const shared = globalThis as { sessionDb?: ReturnType<typeof createSessionDb> }

// Created by the first request, because \`next build\` loads the routes without a database, and kept for the
// process, because Next loads this file again for each route and change.
export function sessionDb() {
  shared.sessionDb ??= createSessionDb()
  return shared.sessionDb
}
`,
    ],
    route('api/shapes/[...path]', 'serveShape', ['GET', 'HEAD', 'POST', 'OPTIONS']),
    route('api/write', 'serveWrite', ['POST', 'OPTIONS']),
    [inSource('db.ts'), HTTP_DB],
  ]
}

const honoFiles: Files = (inSource) => [
  [
    inSource('server/session-db.ts'),
    `import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  type Principal,
} from '@org/session-db/server'

export const store = createSessionStore({ database: process.env.DATABASE_URL ?? '' })

${PRINCIPAL_OF}

export const serveShape = createShapeProxy({
  electricUrl: process.env.ELECTRIC_URL ?? '',
  secret: process.env.ELECTRIC_SECRET,
  authenticate: principalOf,
})

export const serveWrite = createWriteHandler({ store, authenticate: principalOf })
`,
  ],
  [
    inSource('server/session-db-routes.ts'),
    `import { Hono } from 'hono'
import { serveShape, serveWrite } from './session-db'

export const sessionDbRoutes = new Hono()
  .all('/api/shapes/*', ({ req }) => serveShape(req.raw))
  .all('/api/write', ({ req }) => serveWrite(req.raw))
`,
  ],
  [inSource('db.ts'), HTTP_DB],
]

/** Returns how a file imports another. */
function importOf(target: string, from: string): string {
  const path = posix.relative(posix.dirname(from), target).replace(/\.ts$/, '')
  return path.startsWith('.') ? path : `./${path}`
}
