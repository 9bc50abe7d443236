import { startDevStack } from '../../../src/dev/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
  type SessionStore,
} from '../../../src/server/index.ts'
import { emptyDatabase, type GivenEngine, givenEngine } from '../../support/given-engine.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { temporaryDataDir } from './demo.ts'
import { bundleScript, SCRIPT_PAGE, typed } from './page-script.ts'

type Handler = (request: Request) => Response | Promise<Response>

/** A page with a script, over plain HTTP/1.1, with its own database and shape server. */
export interface PageSite {
  readonly url: string
  readonly databaseUrl: string
  readonly store: SessionStore
  close(): Promise<void>
}

/**
 * Starts the site: `/page.js`, `/api/write`, `/api/shapes/…`, and the page everywhere else.
 *
 * @param script path of the page's TypeScript file
 * @param around wraps the handlers
 */
export async function startPageSite(
  script: string,
  authenticate: (request: Request) => Principal | null,
  around: {
    readonly write?: (request: Request, handle: Handler) => ReturnType<Handler>
    readonly shape?: (request: Request, handle: Handler) => ReturnType<Handler>
  } = {},
): Promise<PageSite> {
  const stack = await startStack()
  await migrate({ database: stack.databaseUrl })
  const store = createSessionStore({ database: stack.databaseUrl })
  const { electricUrl, secret } = stack
  const shape = createShapeProxy({ electricUrl, authenticate, ...(secret && { secret }) })
  const write = createWriteHandler({
    store,
    authenticate,
    messageRoles: ['user', 'assistant', 'system', 'tool'],
  })
  const code = await bundleScript(script)
  const server = await serve(async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/page.js') return typed(code, 'text/javascript')
    if (pathname === '/api/write') return around.write?.(request, write) ?? write(request)
    if (!pathname.startsWith('/api/shapes/')) return typed(SCRIPT_PAGE, 'text/html')
    return around.shape?.(request, shape) ?? shape(request)
  })
  return {
    url: server.url,
    databaseUrl: stack.databaseUrl,
    store,
    async close() {
      await server.close()
      await store.close()
      await stack.stop()
    },
  }
}

/** Returns the engine of `npm run test:electric`, emptied, or starts the embedded stack. */
async function startStack(): Promise<GivenEngine & { stop(): Promise<void> }> {
  const given = givenEngine()
  if (given !== undefined) {
    await emptyDatabase(given)
    return { ...given, stop: async () => {} }
  }
  const dataDir = await temporaryDataDir()
  const stack = await startDevStack({ directory: dataDir.path })
  return {
    ...stack,
    secret: undefined,
    async stop() {
      await stack.stop()
      await dataDir.remove()
    },
  }
}
