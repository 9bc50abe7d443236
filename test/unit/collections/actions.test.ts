import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { newTimelineEvent } from '../../../src/collections/optimistic/optimistic-rows.ts'
import { SessionDbError } from '../../../src/errors.ts'
import { eventually } from '../../support/eventually.ts'
import { record } from '../../support/record-changes.ts'
import { change } from './support/hand-driven-shapes.ts'
import { accepted, open } from './support/open.ts'
import { ann, message, session, thread } from './support/rows.ts'

const EVENT = { id: 'e1', sessionId: 's1', seq: 0, kind: 'other' } as const

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(() => {
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

describe('an action', () => {
  test('shows immediately, is confirmed by its txid, and never flickers', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('thread-messages/th1', [message('m1')])
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await messages.preload()
    const events = record(messages, (row) => `${row.content}@${row.position}`)

    const write = db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'Hello' })
    const shown = messages.get(write.id)
    expect(shown).toMatchObject({
      content: 'Hello',
      position: 2,
      authorId: 'ann',
      tenantId: 't1',
      sessionId: 's1',
      version: 1,
    })
    expect(shown?.createdAt).toBeInstanceOf(Date)
    expect(writes[0]?.batch.mutations).toEqual([
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: write.id, threadId: 'th1', role: 'user', content: 'Hello' },
      },
    ])

    const row = message(write.id, { content: 'Hello', position: 3 })
    shapes.push('thread-messages/th1', [
      change('thread-messages/th1', 'insert', row, { txids: [77] }),
    ])
    writes[0]?.answer(accepted(writes[0].batch, 77))
    await expect(write.committed).resolves.toMatchObject({ txid: 77 })
    await eventually(() => expect(messages.get(write.id)?.position).toBe(3))
    expect(events).toEqual([`insert ${write.id} Hello@2`, `update ${write.id} Hello@3`])
  })

  test('waits for the stream after the answer', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    const events = record(db.sessions, (row) => row.title)

    const write = db.actions.updateSession('s1', { title: 'New' })
    let committed = false
    void write.committed.then(() => {
      committed = true
    })
    writes[0]?.answer(accepted(writes[0].batch, 5, 2))
    const other = session('s2', { title: 'Of another' })
    shapes.push('sessions', [change('sessions', 'insert', other, { txids: [4] })])
    await eventually(() => expect(db.sessions.has('s2')).toBe(true))
    expect(committed).toBe(false)
    expect(db.sessions.get('s1')?.title).toBe('New')

    const row = session('s1', { title: 'New', version: 2 })
    shapes.push('sessions', [change('sessions', 'update', row, { txids: [5] })])
    await write.committed
    await eventually(() => expect(db.sessions.get('s1')?.$synced).toBe(true))
    expect(events.map((event) => event.slice(7))).toEqual(['s1 New', 's2 Of another', 's1 New'])
  })

  test('does not hold back other users’ rows while it is pending', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    db.actions.updateSession('s1', { title: 'Mine' })
    shapes.push('sessions', [
      change('sessions', 'update', session('s1', { title: 'Theirs' }), { txids: [4] }),
      change('sessions', 'insert', session('s2'), { txids: [4] }),
    ])
    await eventually(() => expect(db.sessions.has('s2')).toBe(true))
    expect(db.sessions.get('s1')?.title).toBe('Mine')
    writes[0]?.fail(new Error('offline'))
    await eventually(() => expect(db.sessions.get('s1')?.title).toBe('Theirs'))
  })

  test('rolls back on failure and reports a typed error, also to onError', async () => {
    const onError = vi.fn()
    const { db, shapes, writes } = open({ onError })
    shapes.seed('thread-messages/th1', [message('m1')])
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await messages.preload()
    const events = record(messages, (row) => row.content)

    const refused = db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'A' })
    const offline = db.actions.updateMessage('m1', { content: 'B' })
    writes[0]?.answer({ error: { code: 'forbidden', message: 'Not yours.' } })
    writes[1]?.fail(new TypeError('fetch failed'))
    await expect(refused.committed).rejects.toMatchObject({ code: 'forbidden' })
    await expect(offline.committed).rejects.toBeInstanceOf(SessionDbError)
    await eventually(() =>
      expect(messages.toArray.map((row) => row.content)).toEqual(['Message m1']),
    )
    expect(onError.mock.calls.map(([error]) => error.code)).toEqual(['forbidden', 'unavailable'])
    expect(events).toEqual([
      `insert ${refused.id} A`,
      'update m1 B',
      `delete ${refused.id} A`,
      'update m1 Message m1',
    ])
  })

  test('rolls back without another write to the same row', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    const events = record(db.sessions, (row) => row.title)
    const first = db.actions.updateSession('s1', { title: 'First' })
    db.actions.updateSession('s1', { title: 'Second' })
    writes[0]?.fail(new Error('offline'))
    await expect(first.committed).rejects.toMatchObject({ code: 'unavailable' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(events).toEqual(['update s1 First', 'update s1 Second'])
  })

  test('refuses invalid input before anything shows or is sent', async () => {
    const onError = vi.fn()
    const { db, writes } = open({ onError })
    await db.sessions.preload()
    const refused = [
      db.actions.createSession({ title: '' }),
      db.actions.write([null as never]),
      db.actions.write([{ collection: 'users', type: 'insert' } as never]),
    ]
    expect(db.sessions.size).toBe(0)
    for (const { committed } of refused) {
      await expect(committed).rejects.toMatchObject({ code: 'invalid' })
    }
    expect(writes).toEqual([])
    expect(onError).toHaveBeenCalledTimes(3)
  })

  test('shows immediately on a row being created, and is sent after its creation', async () => {
    const { db, writes } = open()
    await db.sessions.preload()
    const first = db.actions.createSession({ title: 'First', startedAt: '2026-01-01T00:00:00Z' })
    const second = db.actions.updateSession(first.id, { title: 'Second' })
    expect(db.sessions.get(first.id)).toMatchObject({
      title: 'Second',
      startedAt: new Date('2026-01-01T00:00:00Z'),
    })
    expect(writes).toHaveLength(1)
    writes[0]?.answer(accepted(writes[0].batch, null))
    await eventually(() => expect(writes).toHaveLength(2))
    writes[1]?.answer(accepted(writes[1].batch, null))
    await Promise.all([first.committed, second.committed])
    expect(writes.map(({ batch }) => batch.mutations[0]?.type)).toEqual(['insert', 'update'])
  })

  test('causes no unhandled rejection when its promise is ignored', async () => {
    const { db, writes } = open()
    db.actions.createSession({ title: 'Ignored' })
    writes[0]?.fail(new Error('offline'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('uses the caller’s id, or creates a UUIDv7', () => {
    const { db, writes } = open()
    expect(db.actions.createSession({ id: 'mine', title: 'T' }).id).toBe('mine')
    expect(db.actions.createSession({ title: 'T' }).id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    expect(writes.map(({ batch }) => batch.id)).toHaveLength(2)
    expect(writes[0]?.batch.id).not.toBe(writes[1]?.batch.id)
  })
})

test('retries a batch with the same id while its row stays visible', async () => {
  const { db, shapes, writes } = open({ writeRetries: { firstDelayMs: 1 } })
  shapes.seed('sessions', [])
  await db.sessions.preload()
  const write = db.actions.createSession({ title: 'T' })
  writes[0]?.fail(new TypeError('Failed to fetch'))
  await eventually(() => expect(writes).toHaveLength(2))
  expect(writes[1]?.batch).toEqual(writes[0]?.batch)
  expect(db.sessions.has(write.id)).toBe(true)
  writes[1]?.answer({ error: { code: 'conflict', message: 'Taken.' } })
  await expect(write.committed).rejects.toMatchObject({ code: 'conflict' })
})

describe('the collections a write touches', () => {
  test('starts no collection, and calls the adapter with none live', async () => {
    const { db, shapes, writes } = open()
    const { threads } = db.session('s1')
    const write = db.actions.createThread({ sessionId: 's1', mode: 'session', title: 'T' })
    writes[0]?.answer(accepted(writes[0].batch, 3))
    await write.committed
    expect(threads.status).toBe('idle')
    expect(db.sessions.status).toBe('idle')
    expect(shapes.requests).toEqual([])
  })

  test('shows a message in its thread, its session and its thread’s row, and waits for all three', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('session-threads/s1', [thread('th1', { messageCount: 4 })])
    const scope = db.session('s1')
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await Promise.all([scope.threads, scope.messages, messages].map((each) => each.preload()))

    const write = db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'Hello' })
    const row = message(write.id, { content: 'Hello' })
    expect(messages.has(write.id) && scope.messages.has(write.id)).toBe(true)
    expect(scope.threads.get('th1')).toMatchObject({
      messageCount: 5,
      lastMessagePreview: 'Hello',
      version: 2,
    })

    const order: string[] = []
    void write.committed.then(() => order.push('committed'))
    writes[0]?.answer(accepted(writes[0].batch, 9))
    for (const shape of ['thread-messages/th1', 'session-messages/s1']) {
      shapes.push(shape, [change(shape, 'insert', row, { txids: [9] })])
    }
    await eventually(() => expect(db.status(scope.messages).get().offset).toBe('1_0'))
    await new Promise((resolve) => setImmediate(resolve))
    order.push('threads')
    const counted = thread('th1', { messageCount: 5, version: 2 })
    shapes.push('session-threads/s1', [
      change('session-threads/s1', 'update', counted, { txids: [9] }),
    ])
    await write.committed
    expect(order).toEqual(['threads', 'committed'])
  })

  test('waits only for live collections, whatever else shows the row', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('session-threads/s1', [thread('th1')])
    const scope = db.session('s1')
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await Promise.all([scope.threads, messages].map((each) => each.preload()))
    await scope.threads.cleanup()
    const write = db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'Hello' })
    writes[0]?.answer(accepted(writes[0].batch, 9))
    const row = message(write.id, { content: 'Hello' })
    shapes.push('thread-messages/th1', [
      change('thread-messages/th1', 'insert', row, { txids: [9] }),
    ])
    await write.committed
    expect([scope.messages.status, scope.threads.status]).toEqual(['idle', 'cleaned-up'])
  })

  test('does not wait for a write that changed nothing, and drops its optimistic row', async () => {
    const { db, shapes, writes } = open()
    const event = (title: string) => ({ ...newTimelineEvent(EVENT, ann, new Date(0)), title })
    shapes.seed('session-timeline/s1', [event('As stored')])
    const { timeline } = db.session('s1')
    await timeline.preload()
    const write = db.actions.write([
      { collection: 'timelineEvents', type: 'update', id: 'e1', changes: { title: 'As stored' } },
    ])
    writes[0]?.answer(accepted(writes[0].batch, null))
    await expect(write.committed).resolves.toMatchObject({ txid: null })
    await eventually(() => expect(timeline.get('e1')?.$synced).toBe(true))
  })

  test('archives the previous thread when an active one is created', async () => {
    const { db, shapes } = open()
    shapes.seed('session-threads/s1', [thread('th1'), thread('th2', { mode: 'general' })])
    const { threads } = db.session('s1')
    await threads.preload()
    const created = db.actions.createThread({ sessionId: 's1', mode: 'session', title: 'New' })
    const statuses = () => threads.toArray.map(({ id, status }) => [id, status])
    expect(statuses()).toEqual([
      ['th1', 'archived'],
      ['th2', 'active'],
      [created.id, 'active'],
    ])
    db.actions.activateThread('th1')
    expect(Object.fromEntries(statuses())).toMatchObject({
      th1: 'active',
      [created.id]: 'archived',
    })
  })

  test('sends a thread and its first message as one batch, and rolls them back together', async () => {
    const { db, writes } = open()
    const scope = db.session('s1')
    await Promise.all([scope.threads.preload(), scope.messages.preload()])
    const write = db.actions.write([
      {
        collection: 'chatThreads',
        type: 'insert',
        value: { id: 'th9', sessionId: 's1', mode: 'session', title: 'T' },
      },
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id: 'm9', threadId: 'th9', role: 'user', content: 'Hi' },
      },
    ])
    expect(writes).toHaveLength(1)
    expect(scope.threads.get('th9')?.messageCount).toBe(1)
    expect(scope.messages.get('m9')?.sessionId).toBe('s1')
    writes[0]?.answer({ error: { code: 'not_found', message: 'No such session.' } })
    await expect(write.committed).rejects.toMatchObject({ code: 'not_found' })
    await eventually(() => expect(scope.threads.size + scope.messages.size).toBe(0))
  })

  test('drops a message stored before under another id, without waiting', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('thread-messages/th1', [message('m1', { clientMessageId: 'c1' })])
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await messages.preload()
    const write = db.actions.appendMessage({
      threadId: 'th1',
      role: 'user',
      content: 'Message m1',
      clientMessageId: 'c1',
    })
    expect(messages.size).toBe(2)
    const batchId = writes[0]?.batch.id ?? ''
    const stored = { collection: 'chatMessages', type: 'insert', id: 'm1', version: 1 } as const
    writes[0]?.answer({ batchId, txid: null, mutations: [stored] })
    await write.committed
    await eventually(() => expect(messages.toArray.map(({ id }) => id)).toEqual(['m1']))
  })

  test('confirms rows that move in without a txid by their version', async () => {
    const { db, shapes, writes } = open()
    const { threads } = db.session('s9')
    await threads.preload()
    const write = db.actions.createThread({ sessionId: 's9', mode: 'session', title: 'T' })
    writes[0]?.answer(accepted(writes[0].batch, 50, 1))
    const row = thread(write.id, { sessionId: 's9', title: 'T' })
    shapes.push('session-threads/s9', [
      change('session-threads/s9', 'insert', row, { is_move_in: true }),
      { headers: { control: 'snapshot-end', xmin: '90', xmax: '90', xip_list: [] } },
    ])
    await write.committed
  })

  test('confirms a write by a refetched snapshot that contains it', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('sessions', [session('s1')], { xmin: '10', xmax: '10', xip_list: [] })
    await db.sessions.preload()
    const events = record(db.sessions, (row) => row.title)
    const write = db.actions.updateSession('s1', { title: 'New' })
    writes[0]?.answer(accepted(writes[0].batch, 50, 2))
    const now = session('s1', { title: 'New', version: 2 })
    shapes.rotate('sessions', [now], { xmin: '60', xmax: '60', xip_list: [] })
    await write.committed
    await eventually(() => expect(db.sessions.get('s1')?.$synced).toBe(true))
    expect(events.every((event) => event.endsWith('New') || event.startsWith('delete'))).toBe(true)
  })
})

describe('when the stream is slow', () => {
  test('reports the write but keeps it visible until the stream has it', async () => {
    const onError = vi.fn()
    const { db, shapes, writes } = open({ syncTimeoutMs: 50, onError })
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    const events = record(db.sessions, (row) => row.title)
    const write = db.actions.updateSession('s1', { title: 'New' })
    const other = change('sessions', 'insert', session('s2'), { txids: [40] })
    shapes.push('sessions', [other])
    await eventually(() => expect(db.sessions.has('s2')).toBe(true))
    // The time runs from here on.
    writes[0]?.answer(accepted(writes[0].batch, 42, 2))

    const error: SessionDbError = await write.committed.then(
      () => Promise.reject(new Error('should not commit')),
      (reason) => reason,
    )
    expect(error.code).toBe('sync_timeout')
    expect(error.message).toContain('Do not send it again')
    expect(error.details).toEqual({
      txid: 42,
      waitingFor: [
        { collection: db.sessions.id, shape: 'sessions', recentTxids: [40], streamError: null },
      ],
    })
    expect(onError).toHaveBeenCalledExactlyOnceWith(error)
    expect(db.sessions.get('s1')?.title).toBe('New')

    const row = session('s1', { title: 'New', version: 2 })
    shapes.push('sessions', [change('sessions', 'update', row, { txids: [42] })])
    await eventually(() => expect(db.sessions.get('s1')?.$synced).toBe(true))
    expect(events.map((event) => event.slice(7))).toEqual(['s1 New', 's2 Session s2', 's1 New'])
  })

  test('names only the collections that have not shown the write', async () => {
    const { db, shapes, writes } = open({ syncTimeoutMs: 50 })
    shapes.seed('session-threads/s1', [thread('th1')])
    const scope = db.session('s1')
    const { messages } = db.thread({ id: 'th1', sessionId: 's1' })
    await Promise.all([scope.threads, scope.messages, messages].map((each) => each.preload()))
    const write = db.actions.appendMessage({ threadId: 'th1', role: 'user', content: 'Hello' })
    const row = message(write.id, { content: 'Hello' })
    shapes.push('thread-messages/th1', [
      change('thread-messages/th1', 'insert', row, { txids: [9] }),
    ])
    await eventually(() => expect(db.status(messages).get().offset).toBe('1_0'))
    // The time runs from here on.
    writes[0]?.answer(accepted(writes[0].batch, 9))
    const error: SessionDbError = await write.committed.then(
      () => Promise.reject(new Error('should not commit')),
      (reason) => reason,
    )
    expect(error.code).toBe('sync_timeout')
    const waitingFor = error.details?.waitingFor as { collection: string }[]
    expect(new Set(waitingFor.map(({ collection }) => collection))).toEqual(
      new Set([scope.threads.id, scope.messages.id]),
    )
    expect(error.message).toContain('did not show transaction 9 within 50 ms')
    expect([messages.has(write.id), scope.messages.has(write.id)]).toEqual([true, true])
  })

  test('drops a write that never arrives after a grace period', async () => {
    const { db, shapes, writes } = open({ syncTimeoutMs: 10 })
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    const write = db.actions.updateSession('s1', { title: 'New' })
    writes[0]?.answer(accepted(writes[0].batch, 42, 2))
    await expect(write.committed).rejects.toMatchObject({ code: 'sync_timeout' })
    expect(db.sessions.get('s1')?.title).toBe('New')
    await eventually(() => expect(db.sessions.get('s1')?.title).toBe('Session s1'))
  })

  test('stops waiting for a collection that is cleaned up', async () => {
    const { db, shapes, writes } = open()
    shapes.seed('sessions', [session('s1')])
    await db.sessions.preload()
    const write = db.actions.updateSession('s1', { title: 'New' })
    writes[0]?.answer(accepted(writes[0].batch, 42, 2))
    await db.sessions.cleanup()
    await write.committed
  })
})
