import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SessionStore } from '../../../src/server/index.ts'
import { eventually } from '../../support/eventually.ts'
import { type AppServer, startAppServer } from '../collections/app-server.ts'
import { openAs } from '../collections/open-as.ts'

let app: AppServer
let store: SessionStore

beforeAll(async () => {
  app = await startAppServer()
  store = app.store
  const ada = app.principal('acme/ada')
  await store.write(ada, {
    id: crypto.randomUUID(),
    mutations: [
      {
        collection: 'sessions',
        type: 'insert',
        value: { id: 's1', title: 'First', metadata: { a: [1] } },
      },
      {
        collection: 'sessions',
        type: 'insert',
        value: { id: 's2', title: 'Second', visibility: 'tenant' },
      },
      { collection: 'sessions', type: 'insert', value: { id: 's3', title: 'Third' } },
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 'th1', sessionId: 's2', mode: 'session', title: 'T' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm1', threadId: 'th1', role: 'user', content: 'Hi' },
      },
      {
        collection: 'timelineEvents',
        type: 'insert',
        value: {
          id: 'e1',
          sessionId: 's2',
          seq: 0,
          kind: 'message',
          occurredAt: '2024-05-01T10:00:00.123Z',
        },
      },
    ],
  })
})
afterAll(() => app?.close())

const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1)

describe.each(['acme/ada', 'acme/bob', 'rival/ada'])('%s', (user) => {
  test('reads the rows that the collections show', async () => {
    const principal = app.principal(user)
    const db = openAs(app, user)
    const ofSession = { sessionId: 's2' }
    const { threads, messages, timeline, grants } = db.session('s2')
    const collections = [
      [{ shape: 'sessions' }, db.sessions],
      [{ shape: 'session-threads', params: ofSession }, threads],
      [{ shape: 'session-messages', params: ofSession }, messages],
      [{ shape: 'thread-messages', params: { ...ofSession, threadId: 'th1' } }, messages],
      [{ shape: 'session-timeline', params: ofSession }, timeline],
      [{ shape: 'session-grants', params: ofSession }, grants],
    ] as const
    for (const [request, collection] of collections) {
      await collection.preload()
      await eventually(() => expect(db.status(collection).get().isUpToDate).toBe(true))
      const { rows } = await store.readRows(principal, request)
      const shown = collection.toArray.map((row) => ({ ...row }))
      expect([...rows].sort(byId)).toEqual(shown.sort(byId).map(withoutVirtualProperties))
    }
  })
})

/** TanStack DB adds properties such as `$synced`. */
function withoutVirtualProperties(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith('$')))
}

test('sorts and limits', async () => {
  const { rows, shape, params } = await store.readRows(app.principal('acme/ada'), {
    shape: 'sessions',
    orderBy: 'title',
    descending: true,
    limit: 2,
  })
  expect(rows.map(({ title }) => title)).toEqual(['Third', 'Second'])
  expect({ shape, params }).toEqual({ shape: 'sessions', params: {} })
})

test.each([
  ['an unknown shape', { shape: 'secrets' }],
  ['other parameters', { shape: 'sessions', params: { tenantId: 'rival' } }],
  ['a property that is not synced', { shape: 'sessions', orderBy: 'contentRef' }],
  ['SQL', { shape: 'sessions', orderBy: 'title; DROP TABLE sessions' }],
  ['no whole limit', { shape: 'sessions', limit: 1.5 }],
  ['a limit out of bounds', { shape: 'sessions', limit: 1_000_000 }],
])('refuses %s', async (_, request) => {
  const read = store.readRows(app.principal('acme/ada'), request as { shape: 'sessions' })
  await expect(read).rejects.toMatchObject({ code: 'invalid' })
})

test('refuses a principal without a tenant', async () => {
  const read = store.readRows({ tenantId: '', userId: 'ada' }, { shape: 'sessions' })
  await expect(read).rejects.toMatchObject({ code: 'unauthenticated' })
})
