import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod/mini'
import { createId, type SessionCollections } from '../../../src/collections/index.ts'
import { chatMessageSchema, chatThreadSchema, sessionSchema } from '../../../src/schema/index.ts'
import { createHttpWriteAdapter } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { record } from '../../support/record-changes.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer
beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** Creates a session with one thread for the user that `db` is signed in as. */
async function newThread(db: SessionCollections, visibility: 'private' | 'tenant' = 'private') {
  const { id: sessionId, committed } = db.actions.createSession({ title: 'Session', visibility })
  await committed
  const thread = db.actions.createThread({ sessionId, mode: 'session', title: 'Thread' })
  await thread.committed
  return { sessionId, threadId: thread.id }
}

describe('a write', () => {
  test('turns from optimistic to synced without a flicker, in every collection', async () => {
    const db = openAs(app, 'acme/ada')
    await db.sessions.preload()
    const { sessionId, threadId } = await newThread(db)
    const scope = db.session(sessionId)
    const { messages } = db.thread({ id: threadId, sessionId })
    await Promise.all([scope.threads, scope.messages, messages].map((each) => each.preload()))
    const inThread = record(messages, (row) => `${row.content}@${row.position} ${row.sessionId}`)
    const inThreads = record(
      scope.threads,
      (row) => `${row.messageCount} ${row.lastMessagePreview}`,
    )

    const ids: string[] = []
    for (const content of ['one', 'two', 'three']) {
      const write = db.actions.appendMessage({ threadId, role: 'user', content })
      expect(messages.get(write.id)?.content).toBe(content)
      ids.push(write.id)
      await write.committed
    }
    await eventually(() => expect(messages.toArray.every((row) => row.$synced)).toBe(true))
    const seen = (index: number, content: string) =>
      `${ids[index]} ${content}@${index + 1} ${sessionId}`
    expect(inThread).toEqual([
      `insert ${seen(0, 'one')}`,
      `update ${seen(0, 'one')}`,
      `insert ${seen(1, 'two')}`,
      `update ${seen(1, 'two')}`,
      `insert ${seen(2, 'three')}`,
      `update ${seen(2, 'three')}`,
    ])
    expect([...new Set(inThreads)]).toEqual(
      ['1 one', '2 two', '3 three'].map((shown) => `update ${threadId} ${shown}`),
    )
    expect(scope.messages.toArray.map(({ id }) => id)).toEqual(ids)
  })

  test('keeps sixty concurrent messages in order, each once and always visible', async () => {
    const db = openAs(app, 'acme/ada')
    const { sessionId, threadId } = await newThread(db)
    const { messages } = db.thread({ id: threadId, sessionId })
    await messages.preload()
    const events = record(messages, () => '')
    const writes = Array.from({ length: 60 }, (_, index) =>
      db.actions.appendMessage({ threadId, role: 'user', content: `${index}` }),
    )
    expect(messages.size).toBe(60)
    await Promise.all(writes.map(({ committed }) => committed))
    await eventually(() => expect(messages.toArray.every((row) => row.$synced)).toBe(true))
    const inOrder = messages.toArray.sort((a, b) => a.position - b.position)
    expect(inOrder.map(({ position, content }) => [position, content])).toEqual(
      Array.from({ length: 60 }, (_, index) => [index + 1, `${index}`]),
    )
    expect(events.filter((event) => event.startsWith('delete'))).toEqual([])
  })

  test('of 500 messages in one turn takes few requests and reaches another client in order', async () => {
    const count = 500
    let requests = 0
    const send = createHttpWriteAdapter({
      url: `${app.url}/api/write`,
      headers: { [USER_HEADER]: 'acme/ada' },
      fetchClient: (input, init) => {
        requests += 1
        return fetch(input, init)
      },
    })
    const db = openAs(app, 'acme/ada', { writeAdapter: send })
    const { sessionId, threadId } = await newThread(db)
    const { messages } = openAs(app, 'acme/ada').thread({ id: threadId, sessionId })
    await messages.preload()
    requests = 0
    const writes = Array.from({ length: count }, (_, index) =>
      db.actions.appendMessage({ threadId, role: 'user', content: `${index}` }),
    )
    await eventually(() => expect(messages.size).toBe(count))
    await Promise.all(writes.map(({ committed }) => committed))
    expect(requests).toBeLessThanOrEqual(20)
    const inOrder = messages.toArray.sort((a, b) => a.position - b.position)
    expect(inOrder.map(({ content }) => content)).toEqual(
      Array.from({ length: count }, (_, index) => `${index}`),
    )
  })

  test('to several collections is one transaction, confirmed by all of them', async () => {
    const db = openAs(app, 'acme/ada')
    await db.sessions.preload()
    const sessionId = createId()
    const scope = db.session(sessionId)
    await Promise.all([scope.threads.preload(), scope.messages.preload()])
    const threadId = createId()
    const events = [db.sessions, scope.threads, scope.messages].map((collection) =>
      record(collection as typeof db.sessions, () => ''),
    )
    const write = db.actions.write([
      { collection: 'sessions', type: 'insert', value: { id: sessionId, title: 'S' } },
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: threadId, sessionId, mode: 'general', title: 'T' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: createId(), threadId, role: 'user', content: 'First' },
      },
    ])
    expect([db.sessions.has(sessionId), scope.threads.size, scope.messages.size]).toEqual([
      true,
      1,
      1,
    ])
    await write.committed
    const rows = [db.sessions.get(sessionId), ...scope.threads.toArray, ...scope.messages.toArray]
    await eventually(() => expect(rows).toHaveLength(3))
    await eventually(() => expect(scope.threads.get(threadId)?.$synced).toBe(true))
    expect(scope.threads.get(threadId)?.messageCount).toBe(1)
    for (const each of events)
      expect(each.filter((event) => event.startsWith('delete'))).toEqual([])
  })

  test('may follow immediately on the one it depends on', async () => {
    const db = openAs(app, 'acme/ada')
    const session = db.actions.createSession({ title: 'S' })
    const thread = db.actions.createThread({ sessionId: session.id, mode: 'session', title: 'T' })
    const message = db.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'M' })
    const update = db.actions.updateMessage(message.id, { content: 'N' })
    await Promise.all([session, thread, message, update].map(({ committed }) => committed))
  })

  test('rolls back on failure with the reason', async () => {
    const onError = vi.fn()
    const db = openAs(app, 'acme/ada', { onError })
    const bob = openAs(app, 'acme/bob', { onError })
    const { sessionId, threadId } = await newThread(db, 'tenant')
    const { messages } = bob.thread({ id: threadId, sessionId })
    await Promise.all([bob.sessions.preload(), messages.preload()])

    const gone = bob.actions.appendMessage({
      threadId: 'no-such-thread',
      role: 'user',
      content: 'x',
    })
    const notHis = bob.actions.updateSession(sessionId, { title: 'Mine now' })
    expect(bob.sessions.get(sessionId)?.title).toBe('Mine now')
    await expect(gone.committed).rejects.toMatchObject({ code: 'not_found' })
    await expect(notHis.committed).rejects.toMatchObject({ code: 'forbidden' })
    await eventually(() => expect(bob.sessions.get(sessionId)?.title).toBe('Session'))

    const own = bob.actions.appendMessage({ threadId, role: 'user', content: 'Mine' })
    await own.committed
    const stale = bob.actions.updateMessage(own.id, { content: 'New' }, { expectedVersion: 7 })
    expect(messages.get(own.id)?.content).toBe('New')
    await expect(stale.committed).rejects.toMatchObject({ code: 'conflict' })
    await eventually(() => expect(messages.get(own.id)?.content).toBe('Mine'))
    // The first two had nothing to do with each other: they were under way at the same time.
    const codes = onError.mock.calls.map(([error]) => error.code)
    expect([codes.slice(0, 2).sort(), codes.slice(2)]).toEqual([
      ['forbidden', 'not_found'],
      ['conflict'],
    ])
  })

  test('rolls back when it cannot be sent', async () => {
    const db = openAs(app, 'acme/ada', {
      writeAdapter: () => Promise.reject(new TypeError('fetch failed')),
      writeRetries: { firstDelayMs: 1 },
    })
    await db.sessions.preload()
    const before = db.sessions.size
    const write = db.actions.createSession({ title: 'Never' })
    expect(db.sessions.size).toBe(before + 1)
    await expect(write.committed).rejects.toMatchObject({ code: 'unavailable' })
    await eventually(() => expect(db.sessions.size).toBe(before))
  })

  test('of a message sent before stores nothing and keeps the first one', async () => {
    const db = openAs(app, 'acme/ada')
    const { sessionId, threadId } = await newThread(db)
    const { messages } = db.thread({ id: threadId, sessionId })
    await messages.preload()
    const message = { threadId, role: 'user', content: 'Once', clientMessageId: 'c1' } as const
    const first = db.actions.appendMessage(message)
    await first.committed
    const second = db.actions.appendMessage(message)
    await expect(second.committed).resolves.toMatchObject({ txid: null })
    await eventually(() => expect(messages.toArray.map(({ id }) => id)).toEqual([first.id]))
  })

  test('is sent also with no collection live', async () => {
    const db = openAs(app, 'acme/ada')
    const { sessionId, threadId } = await newThread(db)
    await db.actions.appendMessage({ threadId, role: 'user', content: 'Unseen' }).committed
    expect(db.thread({ id: threadId, sessionId }).messages.status).toBe('idle')
    await db.thread({ id: threadId, sessionId }).messages.preload()
    expect(
      db.thread({ id: threadId, sessionId }).messages.toArray.map(({ content }) => content),
    ).toEqual(['Unseen'])
  })
})

describe('every action', () => {
  test('has the same effect optimistically and on the server', async () => {
    const db = openAs(app, 'acme/ada')
    const viewer = openAs(app, 'acme/bob')
    await Promise.all([db.sessions.preload(), viewer.sessions.preload()])
    const { sessionId, threadId } = await newThread(db, 'tenant')
    const mine = db.session(sessionId)
    const theirs = viewer.session(sessionId)
    const scopes = [mine, theirs].flatMap(({ threads, messages }) => [threads, messages])
    await Promise.all(scopes.map((collection) => collection.preload()))

    const check = async (
      write: { readonly committed: Promise<unknown> },
      show: (db: SessionCollections) => unknown,
      expected: unknown,
    ) => {
      expect(show(db)).toEqual(expected)
      await write.committed
      expect(show(db)).toEqual(expected)
      await eventually(() => expect(show(viewer)).toEqual(expected))
    }
    const threadOf = (each: SessionCollections) => each.session(sessionId).threads.get(threadId)
    const statuses = (each: SessionCollections) =>
      each
        .session(sessionId)
        .threads.toArray.map(({ status }) => status)
        .sort()
    const texts = (each: SessionCollections) =>
      each.session(sessionId).messages.toArray.map(({ content }) => content)
    const count = (each: SessionCollections) => threadOf(each)?.messageCount
    const { actions } = db

    await check(actions.renameThread(threadId, 'New'), (each) => threadOf(each)?.title, 'New')
    await check(actions.archiveThread(threadId), (each) => threadOf(each)?.status, 'archived')
    await check(actions.activateThread(threadId), (each) => threadOf(each)?.status, 'active')
    const second = actions.createThread({ sessionId, mode: 'session', title: 'Second' })
    await check(second, statuses, ['active', 'archived'])
    await check(actions.activateThread(threadId), (each) => threadOf(each)?.status, 'active')
    await check(actions.deleteThread(second.id), statuses, ['active'])
    const message = actions.appendMessage({ threadId, role: 'user', content: 'Hi' })
    await check(message, texts, ['Hi'])
    await check(actions.updateMessage(message.id, { content: 'Ho' }), texts, ['Ho'])
    await check(actions.deleteMessage(message.id), count, 0)
    await check(
      actions.updateSession(sessionId, { title: 'Renamed' }),
      (each) => each.sessions.get(sessionId)?.title,
      'Renamed',
    )
    await check(
      actions.archiveSession(sessionId),
      (each) => each.sessions.get(sessionId)?.archivedAt instanceof Date,
      true,
    )
    await check(actions.deleteSession(sessionId), (each) => each.sessions.has(sessionId), false)
    await eventually(() => expect([mine.threads.size, theirs.threads.size]).toEqual([0, 0]))
  })
})

describe('rows', () => {
  test('match the schema, dates and numbers included', async () => {
    const db = openAs(app, 'acme/ada')
    await db.sessions.preload()
    const { sessionId, threadId } = await newThread(db)
    await app.sql(
      `UPDATE sessions SET content_bytes = 9007199254740991, repo = '{"branch":"main"}',
         started_at = '2024-01-01 05:30:00.123456+05:30' WHERE id = $1`,
      [sessionId],
    )
    await db.actions.appendMessage({
      threadId,
      role: 'assistant',
      content: 'é'.repeat(400),
      parts: [{ type: 'text', text: 'Hi', nested: [1, null, { a: true }] }],
    }).committed
    const scope = db.session(sessionId)
    await Promise.all([scope.threads.preload(), scope.messages.preload()])
    await eventually(() => expect(db.sessions.get(sessionId)?.contentBytes).not.toBeNull())

    const session = z.object(sessionSchema.shape).parse(db.sessions.get(sessionId))
    expect(session).toMatchObject({
      contentBytes: 9007199254740991,
      repo: { branch: 'main' },
      startedAt: new Date('2024-01-01T00:00:00.123Z'),
    })
    const [thread] = scope.threads.toArray
    expect(z.object(chatThreadSchema.shape).parse(thread).lastMessagePreview).toBe('é'.repeat(280))
    const [message] = scope.messages.toArray
    expect(z.object(chatMessageSchema.shape).parse(message).parts).toEqual([
      { type: 'text', text: 'Hi', nested: [1, null, { a: true }] },
    ])
  })
})

describe('two users', () => {
  test('of one tenant see shared sessions live; another tenant sees nothing', async () => {
    const ada = openAs(app, 'acme/ada')
    const bob = openAs(app, 'acme/bob')
    const eve = openAs(app, 'rival/ada')
    const everyone = [ada, bob, eve]
    const { sessionId, threadId } = await newThread(ada, 'tenant')
    const views = everyone.map((db) => ({
      sessions: db.sessions,
      threads: db.session(sessionId).threads,
      messages: db.thread({ id: threadId, sessionId }).messages,
    }))
    await Promise.all(views.flatMap((view) => Object.values(view).map((each) => each.preload())))

    const write = bob.actions.appendMessage({ threadId, role: 'user', content: 'From Bob' })
    await write.committed
    await eventually(() => expect(views[0]?.messages.get(write.id)?.authorId).toBe('bob'))
    expect(views.map(({ threads }) => threads.size)).toEqual([1, 1, 0])
    expect(views[2]?.messages.size).toBe(0)
    expect(views[2]?.sessions.has(sessionId)).toBe(false)

    await ada.actions.updateSession(sessionId, { visibility: 'private' }).committed
    const sizes = (index: number) => [
      views[index]?.sessions.has(sessionId),
      views[index]?.threads.size,
      views[index]?.messages.size,
    ]
    await eventually(() => expect(sizes(1)).toEqual([false, 0, 0]))
    expect(sizes(0)).toEqual([true, 1, 1])

    await ada.actions.updateSession(sessionId, { visibility: 'tenant' }).committed
    await eventually(() => expect(sizes(1)).toEqual([true, 1, 1]))
  })

  test('a client without a sign-in gets a visible, typed refusal', async () => {
    const onError = vi.fn()
    const db = openAs(app, 'nobody', { onError })
    await expect(db.sessions.preload()).rejects.toThrow()
    await eventually(() =>
      expect(db.status(db.sessions).get().lastError?.code).toBe('unauthenticated'),
    )
    const write = db.actions.createSession({ title: 'x' })
    await expect(write.committed).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(onError).toHaveBeenCalledTimes(2)
  })
})
