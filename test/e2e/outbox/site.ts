import { resolve } from 'node:path'
import { startDevStack } from '../../../src/dev/index.ts'
import type { Principal } from '../../../src/schema/index.ts'
import {
  createSessionStore,
  createShapeProxy,
  createWriteHandler,
  migrate,
} from '../../../src/server/index.ts'
import { query } from '../../support/query.ts'
import { serve } from '../../unit/proxy/serve.ts'
import { temporaryDataDir } from '../support/demo.ts'
import { bundleScript, SCRIPT_PAGE, typed } from '../support/page-script.ts'

/** An app whose pages write through an outbox. */
export interface Site {
  readonly url: string
  /** While false every write is answered with 503, as by a proxy without a server behind it. */
  takesWrites: boolean
  /** Tabs whose writes were applied, in the order they came. */
  readonly writers: string[]
  /** What the database holds of the thread. */
  stored(): Promise<{ title: string; messages: string[] }>
  close(): Promise<void>
}

const ann: Principal = { tenantId: 't1', userId: 'ann' }

/** Starts the app on a database and a shape server of its own, with a thread `th1` in a session `s1`. */
export async function startSite(): Promise<Site> {
  const dataDir = await temporaryDataDir()
  const stack = await startDevStack({ dataDir: dataDir.path })
  await migrate({ database: stack.databaseUrl })
  const store = createSessionStore({ database: stack.databaseUrl })
  const thread = { id: 'th1', sessionId: 's1', mode: 'session' as const, title: 'First' }
  await store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [
      { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'S' } },
      { collection: 'chatThreads', type: 'insert', value: thread },
    ],
  })
  const authenticate = () => ann
  const serveShape = createShapeProxy({ electricUrl: stack.electricUrl, authenticate })
  const serveWrite = createWriteHandler({ store, authenticate })
  const script = await bundleScript(resolve(import.meta.dirname, 'page.ts'))

  async function write(request: Request): Promise<Response> {
    if (!site.takesWrites) return new Response('', { status: 503 })
    const answer = await serveWrite(request)
    if (answer.ok) site.writers.push(request.headers.get('x-tab') ?? '')
    return answer
  }

  const server = await serve(async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/page.js') return typed(script, 'text/javascript')
    if (pathname === '/api/write') return write(request)
    return pathname.startsWith('/api/shapes/')
      ? serveShape(request)
      : typed(SCRIPT_PAGE, 'text/html')
  })
  const site: Site = {
    url: server.url,
    takesWrites: true,
    writers: [],
    async stored() {
      const titles = await query<{ title: string }>(
        stack.databaseUrl,
        `SELECT title FROM chat_threads WHERE id = 'th1'`,
      )
      const messages = await query<{ content: string }>(
        stack.databaseUrl,
        'SELECT content FROM chat_messages ORDER BY position',
      )
      return { title: titles[0]?.title ?? '', messages: messages.map(({ content }) => content) }
    },
    async close() {
      await server.close()
      await store.close()
      await stack.stop()
      await dataDir.remove()
    },
  }
  return site
}
