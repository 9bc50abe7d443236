import 'fake-indexeddb/auto'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import {
  createOutbox,
  createSessionCollections,
  type SessionCollectionsOptions,
  streamMessage,
} from '../../../src/collections/index.ts'
import { createLegacyStores } from '../../../src/legacy/index.ts'
import {
  createMemorySessionStore,
  createMemoryWriteAdapter,
  createShapeMock,
} from '../../../src/testing/index.ts'

const electricUrl = 'http://app.test/api/shapes'
const ann = { tenantId: 'acme', userId: 'ann' }

const mock = createShapeMock({
  electricUrl,
  principal: ann,
  tables: {
    sessions: [{ id: 's1', title: 'Fix the login' }],
    chatThreads: [{ id: 't1', sessionId: 's1' }],
    chatMessages: [{ id: 'm1', threadId: 't1', content: 'Why does it fail?' }],
  },
})

const server = setupServer(...mock.handlers)
beforeAll(() => server.listen())
afterEach(() => mock.reset())
afterAll(() => server.close())

function openCollections(options: Partial<SessionCollectionsOptions> = {}) {
  const db = createSessionCollections({
    electricUrl,
    identity: ann,
    writeAdapter: createMemoryWriteAdapter(mock, { principal: ann }),
    ...options,
  })
  onTestFinished(() => db.cleanup())
  return db
}

test('shows rows and keeps them up to date', async () => {
  const { messages } = openCollections().thread({ id: 't1', sessionId: 's1' })
  await messages.preload()
  expect(messages.toArray.map((row) => row.content)).toEqual(['Why does it fail?'])

  mock.insert('chatMessages', { threadId: 't1', role: 'assistant', content: 'Let me look.' })
  await expect.poll(() => messages.size).toBe(2)
})

test('shows a message immediately and confirms it', async () => {
  const db = openCollections()
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  await messages.preload()

  const write = db.actions.appendMessage({ threadId: 't1', role: 'user', content: 'And now?' })
  expect(messages.get(write.id)?.$synced).toBe(false)

  await write.committed
  expect(messages.get(write.id)).toMatchObject({ content: 'And now?', position: 2 })
  expect(mock.rows('chatThreads')[0]?.messageCount).toBe(2)
})

test('rolls back a refused write', async () => {
  const bob = { tenantId: 'acme', userId: 'bob' }
  mock.update('sessions', 's1', { visibility: 'tenant' })
  const db = openCollections({ writeAdapter: createMemoryWriteAdapter(mock, { principal: bob }) })
  await db.sessions.preload()

  const write = db.actions.updateSession('s1', { title: 'Mine now' })
  expect(db.sessions.get('s1')?.title).toBe('Mine now')
  await expect(write.committed).rejects.toMatchObject({ code: 'forbidden' })
  await expect.poll(() => db.sessions.get('s1')?.title).toBe('Fix the login')
})

test('shows a streamed answer in every window', async () => {
  const messageRoles = ['user', 'assistant'] as const
  const db = openCollections({
    writeAdapter: createMemoryWriteAdapter(mock, { principal: ann, messageRoles }),
  })
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  await messages.preload()

  const answer = streamMessage(db, { threadId: 't1', role: 'assistant' })
  answer.append('Because ')
  await expect.poll(() => messages.get(answer.id)?.content).toBe('Because ')
  expect(messages.get(answer.id)?.status).toBe('streaming')

  answer.append('it must.')
  await answer.finish()
  await expect.poll(() => messages.get(answer.id)?.status).toBe('complete')
  expect(mock.rows('chatMessages').at(-1)?.content).toBe('Because it must.')
})

test('shows an expired sign-in', async () => {
  const onError = vi.fn()
  const db = openCollections({ onError })
  await db.sessions.preload()

  mock.next.unauthorized('sessions')
  await expect.poll(() => onError).toHaveBeenCalled()
  expect(db.status(db.sessions).get().lastError?.code).toBe('unauthenticated')
})

test('refetches an expired shape', async () => {
  const db = openCollections()
  await db.sessions.preload()
  const { handle } = db.status(db.sessions).get()

  mock.next.mustRefetch('sessions')
  await expect.poll(() => db.status(db.sessions).get().handle).not.toBe(handle)
  await expect.poll(() => db.sessions.get('s1')?.title).toBe('Fix the login')
})

test('retries an overloaded server', async () => {
  const db = openCollections()
  mock.next.unavailable({ retryAfterSeconds: 1 })
  const loading = db.sessions.preload()
  await expect.poll(() => db.status(db.sessions).get().lastError?.code).toBe('unavailable')

  await loading
  expect(db.sessions.size).toBe(1)
})

test('shows that it is offline and recovers', async () => {
  const db = openCollections()
  await db.sessions.preload()

  mock.dropConnection()
  await expect.poll(() => db.status(db.sessions).get().isUpToDate).toBe(false)
  mock.update('sessions', 's1', { title: 'Changed meanwhile' })

  mock.restoreConnection()
  await expect
    .poll(() => db.sessions.get('s1')?.title, { timeout: 30_000 })
    .toBe('Changed meanwhile')
})

test('is loading until the first page arrives', async () => {
  const db = openCollections()
  mock.slowFirstPage(50)
  const loading = db.sessions.preload()
  expect(db.status(db.sessions).get().status).toBe('loading')
  await loading
  expect(db.status(db.sessions).get().status).toBe('ready')
})

test('removes a revoked session with its contents', async () => {
  const db = openCollections()
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  await Promise.all([db.sessions.preload(), messages.preload()])

  mock.revoke('s1')
  await expect.poll(() => db.sessions.size + messages.size).toBe(0)

  mock.grant('s1')
  await expect.poll(() => db.sessions.size + messages.size).toBe(2)
})

test('lets two users chat', async () => {
  const users = { ann, bob: { tenantId: 'acme', userId: 'bob' } }
  const shared = createShapeMock({
    electricUrl,
    principal: ann,
    authenticate: (request) =>
      users[request.headers.get('authorization') as keyof typeof users] ?? null,
    tables: {
      sessions: [{ id: 's1', visibility: 'tenant' }],
      chatThreads: [{ id: 't1', sessionId: 's1' }],
    },
  })
  server.use(...shared.handlers)
  onTestFinished(() => server.resetHandlers())
  const openAs = (user: keyof typeof users) =>
    openCollections({
      headers: { authorization: user },
      identity: users[user],
      writeAdapter: createMemoryWriteAdapter(shared, { principal: users[user] }),
    })
  const [forAnn, forBob] = [openAs('ann'), openAs('bob')]
  await Promise.all(
    [forAnn, forBob].map((db) => db.thread({ id: 't1', sessionId: 's1' }).messages.preload()),
  )

  forAnn.actions.appendMessage({ threadId: 't1', role: 'user', content: 'Hello' })
  const seenByBob = forBob.thread({ id: 't1', sessionId: 's1' }).messages
  await expect.poll(() => seenByBob.toArray[0]).toMatchObject({ authorId: 'ann' })
})

test('stores a repeated request once', async () => {
  const store = createMemorySessionStore(mock)
  const { appendChatMessage, listChatMessages } = createLegacyStores({ store, principal: ann })
  const request = { sessionId: 's1', mode: 'session', role: 'user', content: 'Hello' } as const

  await appendChatMessage({ ...request, threadId: 't1', clientMessageId: 'c1' })
  await appendChatMessage({ ...request, threadId: 't1', clientMessageId: 'c1' })
  const messages = await listChatMessages('s1', 'session', 't1')
  expect(messages.map(({ content }) => content)).toEqual(['Why does it fail?', 'Hello'])
})

test('keeps a write until the server can be reached', async () => {
  const outbox = createOutbox({ identity: ann })
  const db = openCollections({ outbox })
  const { messages } = db.thread({ id: 't1', sessionId: 's1' })
  await messages.preload()

  mock.dropConnection()
  const { id, committed } = db.actions.appendMessage({
    threadId: 't1',
    role: 'user',
    content: 'Hi',
  })
  await expect.poll(() => outbox.status.get().waiting).toBe(1)
  expect(messages.get(id)?.content).toBe('Hi')

  mock.restoreConnection()
  await committed
  expect(mock.rows('chatMessages').at(-1)?.content).toBe('Hi')
  expect(await outbox.entries()).toEqual([])
})
