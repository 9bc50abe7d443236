import { resolve } from 'node:path'
import type { Principal } from '../../../src/schema/index.ts'
import { query } from '../../support/query.ts'
import { startPageSite } from '../support/page-site.ts'

/** An app whose pages write through an outbox. */
export interface Site {
  readonly url: string
  /** While false, every write gets 503, as from a gateway without a server behind it. */
  takesWrites: boolean
  /** The tabs whose writes were applied, in order. */
  readonly writers: string[]
  /** Returns the thread's messages in the database. */
  stored(): Promise<{ title: string; messages: string[] }>
  close(): Promise<void>
}

const ann: Principal = { tenantId: 't1', userId: 'ann' }

/** Starts the app with its own database and shape server, and a thread `th1` in a session `s1`. */
export async function startSite(): Promise<Site> {
  const writes = { takesWrites: true, writers: [] as string[] }
  const script = resolve(import.meta.dirname, 'page.ts')
  const { url, databaseUrl, store, close } = await startPageSite(script, () => ann, {
    async write(request, serveWrite) {
      if (!writes.takesWrites) return new Response('', { status: 503 })
      const answer = await serveWrite(request)
      if (answer.ok) writes.writers.push(request.headers.get('x-tab') ?? '')
      return answer
    },
  })
  const thread = { id: 'th1', sessionId: 's1', mode: 'session' as const, title: 'First' }
  await store.write(ann, {
    id: crypto.randomUUID(),
    mutations: [
      { collection: 'sessions', type: 'insert', value: { id: 's1', title: 'S' } },
      { collection: 'chatThreads', type: 'insert', value: thread },
    ],
  })
  return Object.assign(writes, {
    url,
    async stored() {
      const titles = await query<{ title: string }>(
        databaseUrl,
        `SELECT title FROM chat_threads WHERE id = 'th1'`,
      )
      const messages = await query<{ content: string }>(
        databaseUrl,
        'SELECT content FROM chat_messages ORDER BY position',
      )
      return { title: titles[0]?.title ?? '', messages: messages.map(({ content }) => content) }
    },
    close,
  })
}
