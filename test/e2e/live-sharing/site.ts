import { resolve } from 'node:path'
import type { Principal } from '../../../src/schema/index.ts'
import { startPageSite } from '../support/page-site.ts'

/** An app over plain HTTP/1.1 whose users sign in by cookie, with counters of its requests. */
export interface Site {
  readonly url: string
  /** Live requests that are open now, and the most that were open for two seconds. */
  readonly live: { open: number; most: number }
  /** Adds a message to every session on the server, in one transaction. */
  addMessage(content: string): Promise<void>
  close(): Promise<void>
}

/** One session per tab: equal polls of several tabs would wait for each other in the HTTP cache. */
export const sessions = Array.from({ length: 12 }, (_, index) => `s${index}`)

/** Longer than a busy server takes to notice that a browser has closed a connection. */
const STAYS_MS = 2_000

const ann: Principal = { tenantId: 't1', userId: 'ann' }

/** Starts the app with its own database and shape server. */
export async function startSite(): Promise<Site> {
  const counted = countLive()
  const authenticate = (request: Request) =>
    request.headers.get('cookie')?.includes('user=ann') ? ann : null
  const site = await startPageSite(resolve(import.meta.dirname, 'page.ts'), authenticate, {
    shape(request, serveShape) {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname.endsWith('/_live') || searchParams.get('live') === 'true') counted.add(request)
      return serveShape(request)
    },
  })
  await site.store.write(ann, {
    id: crypto.randomUUID(),
    mutations: sessions.flatMap((sessionId) => [
      { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'First' } } as const,
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: `of-${sessionId}`, sessionId, mode: 'session', title: 'Thread' },
      } as const,
    ]),
  })
  let messages = 0
  return {
    url: site.url,
    live: counted.live,
    async addMessage(content) {
      messages += 1
      await site.store.write(ann, {
        id: crypto.randomUUID(),
        mutations: sessions.map((sessionId) => ({
          collection: 'chatMessages',
          type: 'insert',
          value: {
            id: `m${messages}-${sessionId}`,
            threadId: `of-${sessionId}`,
            role: 'user',
            content,
          },
        })),
      })
    },
    close: site.close,
  }
}

/**
 * Counts requests from start to end. The server notices a closed connection with a delay, so only a
 * count that lasts is used. Polls are held for 20 s, so a third one would be counted.
 */
function countLive() {
  const live = { open: 0, most: 0 }
  // Keep a reference: the signal of a garbage-collected request never aborts.
  const open = new Set<Request>()
  const watches = new Set<{ lowest: number }>()
  return {
    live,
    add(request: Request) {
      open.add(request)
      live.open = open.size
      const watch = { lowest: open.size }
      watches.add(watch)
      setTimeout(() => {
        watches.delete(watch)
        live.most = Math.max(live.most, watch.lowest)
      }, STAYS_MS)
      // The server aborts the signal when the response has ended or the client has disconnected.
      request.signal.addEventListener('abort', () => {
        open.delete(request)
        live.open = open.size
        for (const each of watches) each.lowest = Math.min(each.lowest, open.size)
      })
    },
  }
}
