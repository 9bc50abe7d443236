import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import {
  createSessionCollections,
  type SessionCollectionsOptions,
} from '../../../src/collections/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'

const ann = { tenantId: 'acme', userId: 'ann' }

const mock = createShapeMock({
  electricUrl: 'http://app.test/api/shapes',
  principal: ann,
  tables: {
    sessions: [{ id: 's1', title: 'Fix the login' }],
    chatThreads: [{ id: 't1', sessionId: 's1' }],
    chatMessages: [{ threadId: 't1', content: 'Why does it fail?' }],
  },
})

const server = setupServer(...mock.handlers)
beforeAll(() => server.listen())
afterEach(() => mock.reset())
afterAll(() => server.close())

function openCollections(options: Partial<SessionCollectionsOptions> = {}) {
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    writeAdapter: createMemoryWriteAdapter(mock, { principal: ann }),
    identity: ann,
    ...options,
  })
  onTestFinished(() => db.cleanup())
  return db
}

test('rows appear, and stay up to date', async () => {
  const db = openCollections()
  const { messages } = db.thread('t1')
  await messages.preload()
  expect(messages.toArray.map(({ content }) => content)).toEqual(['Why does it fail?'])

  mock.insert('chatMessages', { threadId: 't1', role: 'assistant', content: 'Let me look.' })
  await vi.waitFor(() => expect(messages.size).toBe(2))
})

test('a message shows at once and is confirmed', async () => {
  const db = openCollections()
  const { messages } = db.thread('t1')
  await messages.preload()

  const write = db.actions.appendMessage({ threadId: 't1', role: 'user', content: 'And now?' })
  expect(messages.get(write.id)?.$synced).toBe(false)

  await write.committed
  expect(mock.rows('chatMessages').map(({ content }) => content)).toContain('And now?')
  await vi.waitFor(() => expect(messages.get(write.id)?.$synced).toBe(true))
})

test('401 is shown', async () => {
  const onError = vi.fn()
  const db = openCollections({ onError })
  await db.sessions.preload()

  mock.next.unauthorized('sessions')
  await vi.waitFor(() =>
    expect(db.status(db.sessions).get().lastError?.code).toBe('unauthenticated'),
  )
  expect(onError).toHaveBeenCalledOnce()
})

test('409 recovers', async () => {
  const db = openCollections()
  await db.sessions.preload()
  const { handle } = db.status(db.sessions).get()

  mock.next.mustRefetch('sessions')
  await vi.waitFor(() => expect(db.status(db.sessions).get().handle).not.toBe(handle))
  await vi.waitFor(() => expect(db.sessions.get('s1')?.title).toBe('Fix the login'))
})

test('503 is tried again', async () => {
  const db = openCollections()
  mock.next.unavailable({ retryAfterSeconds: 1 })
  const loading = db.sessions.preload()
  await vi.waitFor(() => expect(db.status(db.sessions).get().lastError?.code).toBe('unavailable'))

  await loading
  expect(db.sessions.size).toBe(1)
  await vi.waitFor(() => expect(db.status(db.sessions).get().lastError).toBeNull())
})

test('a revoked session disappears with all that is in it', async () => {
  const db = openCollections()
  const { messages } = db.thread('t1')
  await Promise.all([db.sessions.preload(), messages.preload()])

  mock.revoke('s1')
  await vi.waitFor(() => expect(db.sessions.size + messages.size).toBe(0))
  mock.grant('s1')
  await vi.waitFor(() => expect(db.sessions.size + messages.size).toBe(2))
})
