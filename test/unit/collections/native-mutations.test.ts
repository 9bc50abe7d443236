import {
  createOptimisticAction,
  createPacedMutations,
  createTransaction,
  debounceStrategy,
  SchemaValidationError,
} from '@tanstack/db'
import { describe, expect, test, vi } from 'vitest'
import type { WriteBatchInput } from '../../../src/writes/index.ts'
import { eventually } from '../../support/eventually.ts'
import { record } from '../../support/record-changes.ts'
import { change } from './support/hand-driven-shapes.ts'
import { accepted, open } from './support/open.ts'
import { message, session, thread } from './support/rows.ts'

const T1 = { id: 'th1', sessionId: 's1' } as const
const THREAD = 'thread-messages/th1'

/** Returns the callback of an update that sets these properties. */
const set = (changes: object) => (draft: object) => void Object.assign(draft, changes)

async function openThread(options: Parameters<typeof open>[0] = {}) {
  const opened = open(options)
  const { db, shapes } = opened
  shapes.seed('sessions', [session('s1')])
  shapes.seed('session-threads/s1', [thread('th1', { messageCount: 1 })])
  shapes.seed('session-messages/s1', [message('m1')])
  shapes.seed(THREAD, [message('m1')])
  const { threads, messages: inSession } = db.session('s1')
  const { messages } = db.thread(T1)
  await Promise.all([db.sessions, threads, inSession, messages].map((each) => each.preload()))
  return { ...opened, threads, inSession, messages }
}

describe('insert', () => {
  test('sends the values given, shows a complete row everywhere, and never flickers', async () => {
    const { db, shapes, writes, messages, inSession, threads } = await openThread()
    const events = record(messages, (row) => `${row.content}@${row.position}`)
    const write = messages.insert({ role: 'user', content: 'Hello' })
    const id = String(write.mutations[0]?.key)
    expect(writes[0]?.batch.mutations).toEqual([
      {
        collection: 'chatMessages',
        type: 'insert',
        value: { id, threadId: 'th1', role: 'user', content: 'Hello' },
      },
    ])
    const shown = { content: 'Hello', position: 2, authorId: 'ann', sessionId: 's1', version: 1 }
    expect(messages.get(id)).toMatchObject(shown)
    expect(inSession.get(id)).toMatchObject(shown)
    expect(threads.get('th1')).toMatchObject({ messageCount: 2, lastMessagePreview: 'Hello' })

    const row = message(id, { content: 'Hello', position: 3 })
    for (const shape of [THREAD, 'session-messages/s1']) {
      shapes.push(shape, [change(shape, 'insert', row, { txids: [77] })])
    }
    writes[0]?.answer(accepted(writes[0].batch, 77))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(write.state).toBe('persisting')
    const counted = thread('th1', { messageCount: 2, version: 2 })
    shapes.push('session-threads/s1', [
      change('session-threads/s1', 'update', counted, { txids: [77] }),
    ])
    await write.isPersisted.promise
    await new Promise((resolve) => setTimeout(resolve))
    expect(events).toEqual([`insert ${id} Hello@2`, `update ${id} Hello@3`])
    expect(messages.get(id)?.position).toBe(3)
    expect(db.sessions.size).toBe(1)
  })

  test('takes the position after all synced and optimistic messages of its thread', async () => {
    const { db, shapes, messages, inSession } = await openThread()
    const later = [message('m2', { position: 2 }), message('o7', { threadId: 'th2', position: 7 })]
    shapes.push(
      'session-messages/s1',
      later.map((row) => change('session-messages/s1', 'insert', row)),
    )
    await eventually(() => expect(inSession.size).toBe(3))
    // This collection has not received m2 yet.
    messages.insert({ id: 'a', role: 'user', content: 'a' })
    messages.insert({ id: 'b', role: 'user', content: 'b' })
    inSession.insert({ id: 'c', threadId: 'th2', role: 'user', content: 'c' })
    expect(['a', 'b', 'c'].map((id) => inSession.get(id)?.position)).toEqual([3, 4, 8])
    await db.cleanup()
  })

  test('of several rows is one batch, with positions in order', async () => {
    const { writes, messages } = await openThread()
    messages.insert(['a', 'b'].map((id) => ({ id, role: 'user' as const, content: id })))
    expect(writes).toHaveLength(1)
    expect(writes[0]?.batch.mutations).toHaveLength(2)
    expect(['a', 'b'].map((id) => messages.get(id)?.position)).toEqual([2, 3])
  })

  test('validates synchronously and names columns that only the server sets', async () => {
    const { db, writes, messages } = await openThread()
    expect(() => db.sessions.insert({ title: '' })).toThrow(SchemaValidationError)
    expect(() => messages.insert({ role: 'user', content: 'x', version: 3 } as never)).toThrow(
      /version cannot be set by a client/,
    )
    expect(() => messages.insert({ threadId: 'other', role: 'user', content: 'x' })).toThrow(
      /must be 'th1' in this collection/,
    )
    expect(writes).toEqual([])
    expect(messages.size).toBe(1)
  })
})

describe('update', () => {
  test('sends only the changes, shows them everywhere, and completes when they are synced', async () => {
    const { shapes, writes, messages, inSession } = await openThread()
    const events = record(messages, (row) => `${row.content} v${row.version}`)
    const write = messages.update('m1', (draft) => {
      draft.content = 'changed'
    })
    expect(writes[0]?.batch.mutations).toEqual([
      { collection: 'chatMessages', type: 'update', id: 'm1', changes: { content: 'changed' } },
    ])
    expect(inSession.get('m1')).toMatchObject({ content: 'changed', version: 2 })
    const row = message('m1', { content: 'changed', version: 2 })
    writes[0]?.answer(accepted(writes[0].batch, 5, 2))
    for (const shape of [THREAD, 'session-messages/s1']) {
      shapes.push(shape, [change(shape, 'update', row, { txids: [5] })])
    }
    await write.isPersisted.promise
    await new Promise((resolve) => setTimeout(resolve))
    expect(messages.get('m1')).toMatchObject({ content: 'changed', version: 2 })
    expect(events.at(-1)).toBe('update m1 changed v2')
    expect(events.filter((event) => !event.includes('changed'))).toEqual([])
  })

  test('shows a later version of the row as soon as it completes', async () => {
    const { db, shapes, writes } = await openThread()
    const write = db.sessions.update('s1', (draft) => {
      draft.title = 'Mine'
    })
    writes[0]?.answer(accepted(writes[0].batch, 9, 2))
    const later = session('s1', { title: 'Later', version: 3 })
    shapes.push('sessions', [
      change('sessions', 'update', session('s1', { title: 'Mine', version: 2 }), { txids: [9] }),
      change('sessions', 'update', later, { txids: [10] }),
    ])
    await write.isPersisted.promise
    await eventually(() => expect(db.sessions.get('s1')).toMatchObject({ title: 'Later' }))
  })

  test('guards against other versions by metadata', async () => {
    const { db, writes } = await openThread()
    db.sessions.update('s1', { metadata: { expectedVersion: 1 } }, (draft) => {
      draft.title = 'Guarded'
    })
    expect(writes[0]?.batch.mutations[0]).toMatchObject({ expectedVersion: 1 })
  })

  test('refuses columns that are fixed or not the client’s', async () => {
    const { db, writes, messages } = await openThread()
    expect(() => db.sessions.update('s1', set({ source: 'import' }))).toThrow(
      /source cannot be set/,
    )
    expect(() => messages.update('m1', set({ threadId: 'th2' }))).toThrow(/threadId cannot be set/)
    expect(() => db.sessions.update('s1', set({ title: '' }))).toThrow(SchemaValidationError)
    expect(writes).toEqual([])
  })

  test('of an unknown row throws as in TanStack DB', async () => {
    const { db } = await openThread()
    expect(() => db.sessions.update('none', () => {})).toThrow(/none/)
  })
})

test('delete removes the row everywhere and counts the thread down', async () => {
  const { shapes, writes, messages, inSession, threads } = await openThread()
  const write = messages.delete('m1')
  expect(writes[0]?.batch.mutations).toEqual([
    { collection: 'chatMessages', type: 'delete', id: 'm1' },
  ])
  expect([messages.has('m1'), inSession.has('m1')]).toEqual([false, false])
  expect(threads.get('th1')?.messageCount).toBe(0)
  writes[0]?.answer(accepted(writes[0].batch, 6))
  for (const shape of [THREAD, 'session-messages/s1']) {
    shapes.push(shape, [change(shape, 'delete', { id: 'm1' }, { txids: [6] })])
  }
  const counted = thread('th1', { messageCount: 0, version: 2 })
  shapes.push('session-threads/s1', [
    change('session-threads/s1', 'update', counted, { txids: [6] }),
  ])
  await write.isPersisted.promise
  expect(messages.has('m1')).toBe(false)
})

test('rolls back on refusal with the SessionDbError, without other writes to the row', async () => {
  const onError = vi.fn()
  const { db, writes } = await openThread({ onError })
  const first = db.sessions.update('s1', set({ title: 'First' }))
  const second = db.sessions.update('s1', set({ metadata: { kept: true } }))
  writes[0]?.answer({ error: { code: 'forbidden', message: 'no' } })
  await expect(first.isPersisted.promise).rejects.toMatchObject({ code: 'forbidden' })
  expect(second.state).toBe('persisting')
  expect(db.sessions.get('s1')?.metadata).toEqual({ kept: true })
  await eventually(() => expect(writes).toHaveLength(2))
  writes[1]?.answer({ error: { code: 'invalid', message: 'no' } })
  await expect(second.isPersisted.promise).rejects.toMatchObject({ code: 'invalid' })
  await new Promise((resolve) => setTimeout(resolve))
  expect(db.sessions.get('s1')).toMatchObject({ title: session('s1').title, version: 1 })
  expect(onError).toHaveBeenCalledTimes(2)
})

describe.each(['direct', 'in a transaction'])('%s', (road) => {
  test('stays visible when the stream is slow, and rejects with sync_timeout', async () => {
    const { db, shapes, writes, threads } = await openThread({ syncTimeoutMs: 300 })
    const events = record(db.sessions, ({ title }) => title)
    const mutations = [
      () => db.sessions.insert({ id: 's2', title: 'Slow' }),
      () => db.sessions.update('s1', set({ title: 'Slow' })),
      () => threads.delete('th1'),
    ]
    const rejections = mutations.map((mutate, index) => {
      const write =
        road === 'direct'
          ? mutate()
          : createTransaction({ mutationFn: db.mutationFn }).mutate(() => void mutate())
      const batch = writes[index]?.batch as WriteBatchInput
      writes[index]?.answer(accepted(batch, 8, 2))
      return expect(write.isPersisted.promise).rejects.toMatchObject({ code: 'sync_timeout' })
    })
    await Promise.all(rejections)
    const shown = () => [db.sessions.get('s2')?.title, db.sessions.get('s1')?.title]
    expect(shown()).toEqual(['Slow', 'Slow'])
    expect(threads.has('th1')).toBe(false)
    events.splice(0)
    shapes.push('sessions', [
      change('sessions', 'insert', session('s2', { title: 'Stored' }), { txids: [8] }),
      change('sessions', 'update', session('s1', { title: 'Stored', version: 2 }), { txids: [8] }),
    ])
    shapes.push('session-threads/s1', [
      change('session-threads/s1', 'delete', { id: 'th1' }, { txids: [8] }),
    ])
    await eventually(() => expect(shown()).toEqual(['Stored', 'Stored']))
    expect(events.every((event) => event.endsWith('Stored'))).toBe(true)
    await eventually(() => expect(threads.has('th1')).toBe(false))
  })
})

test.each(['direct', 'in a transaction'])(
  'rows of other users show while a write is pending: %s',
  async (road) => {
    const { shapes, writes, messages } = await openThread()
    const append = () => messages.insert({ id: 'mine', role: 'user', content: 'Mine' })
    if (road === 'direct') append()
    else createTransaction({ mutationFn: () => new Promise(() => {}) }).mutate(() => void append())
    shapes.push(THREAD, [
      change(THREAD, 'insert', message('theirs', { content: 'Theirs' }), { txids: [5] }),
      change(THREAD, 'update', message('m1', { content: 'Edited', version: 2 }), { txids: [6] }),
    ])
    await eventually(() => expect(messages.get('m1')?.content).toBe('Edited'))
    expect(messages.toArray.map(({ id }) => id).sort()).toEqual(['m1', 'mine', 'theirs'])
    expect(writes).toHaveLength(road === 'direct' ? 1 : 0)
  },
)

describe('a transaction', () => {
  test('over several collections is one batch, in order', async () => {
    const { db, writes, threads, messages } = await openThread()
    const transaction = createTransaction({ mutationFn: db.mutationFn })
    transaction.mutate(() => {
      threads.insert({ id: 'th2', mode: 'session', title: 'New' })
      db.session('s1').messages.insert({ id: 'm2', threadId: 'th2', role: 'user', content: 'Hi' })
      messages.delete('m1')
    })
    expect(writes).toHaveLength(1)
    expect(writes[0]?.batch.mutations.map(({ type, collection }) => [collection, type])).toEqual([
      ['chatThreads', 'insert'],
      ['chatMessages', 'insert'],
      ['chatMessages', 'delete'],
    ])
    expect(threads.get('th1')?.messageCount).toBe(0)
    expect(db.session('s1').messages.has('m1')).toBe(false)
    writes[0]?.answer({ error: { code: 'forbidden', message: 'no' } })
    await expect(transaction.isPersisted.promise).rejects.toMatchObject({ code: 'forbidden' })
    await new Promise((resolve) => setTimeout(resolve))
    expect([threads.has('th2'), messages.has('m1')]).toEqual([false, true])
    expect(threads.get('th1')?.messageCount).toBe(1)
  })

  test('merges mutations of one row and sends nothing for a row deleted again', async () => {
    const { db, writes } = await openThread()
    const transaction = createTransaction({ mutationFn: db.mutationFn, autoCommit: false })
    transaction.mutate(() => {
      db.sessions.insert({ id: 's2', title: 'Draft' })
      db.sessions.insert({ id: 's3', title: 'Gone' })
      db.sessions.update('s2', set({ title: 'Final' }))
      db.sessions.delete('s3')
    })
    void transaction.commit()
    expect(writes[0]?.batch.mutations).toEqual([
      { collection: 'sessions', type: 'insert', value: { id: 's2', title: 'Final' } },
    ])
  })

  test('of createOptimisticAction persists by the same function', async () => {
    const { db, writes } = await openThread()
    const rename = createOptimisticAction<string>({
      onMutate: (title) => void db.sessions.update('s1', set({ title: title })),
      mutationFn: db.mutationFn,
    })
    const transaction = rename('Renamed')
    expect(db.sessions.get('s1')?.title).toBe('Renamed')
    writes[0]?.answer(accepted(writes[0].batch, null))
    await transaction.isPersisted.promise
  })

  test('of paced mutations shows immediately and becomes one batch after the pause', async () => {
    const { db, writes } = await openThread()
    const type = createPacedMutations<string>({
      onMutate: (title) => void db.sessions.update('s1', set({ title })),
      mutationFn: db.mutationFn,
      strategy: debounceStrategy({ wait: 20 }),
    })
    for (const title of ['a', 'ab', 'abc']) type(title)
    expect([db.sessions.get('s1')?.title, writes.length]).toEqual(['abc', 0])
    await eventually(() => expect(writes).toHaveLength(1))
    expect(writes[0]?.batch.mutations).toEqual([
      { collection: 'sessions', type: 'update', id: 's1', changes: { title: 'abc' } },
    ])
  })

  test('with rows of another library’s collection is refused', async () => {
    const { db } = await openThread()
    await expect(
      db.mutationFn({
        transaction: { mutations: [{ collection: {}, type: 'insert' }] },
      } as never),
    ).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('handlers', () => {
  test('wrap the default by calling next', async () => {
    const calls: string[] = []
    const { db, writes } = await openThread({
      handlers: {
        sessions: {
          async onUpdate({ transaction, collection, next }) {
            calls.push(`before ${transaction.mutations[0]?.key} ${collection.id}`)
            await next()
            calls.push('after')
          },
        },
      },
    })
    const write = db.sessions.update('s1', set({ title: 'Wrapped' }))
    expect(calls).toEqual([`before s1 ${db.sessions.id}`])
    writes[0]?.answer(accepted(writes[0].batch, null))
    await write.isPersisted.promise
    expect(calls).toHaveLength(2)
  })

  test('replace the default, and wait for the txids they return', async () => {
    const saved = vi.fn()
    const { db, shapes, writes } = await openThread({
      handlers: {
        sessions: {
          async onUpdate({ transaction }) {
            saved(transaction.mutations[0]?.changes)
            return { txid: 30 }
          },
        },
      },
    })
    const write = db.sessions.update('s1', set({ title: 'Own' }))
    await new Promise((resolve) => setTimeout(resolve))
    expect([saved.mock.calls, write.state, writes]).toEqual([
      [[{ title: 'Own' }]],
      'persisting',
      [],
    ])
    shapes.push('sessions', [
      change('sessions', 'update', session('s1', { title: 'Own', version: 2 }), { txids: [30] }),
    ])
    await write.isPersisted.promise
    expect(db.sessions.get('s1')).toMatchObject({ title: 'Own', version: 2 })
  })

  test('that throw roll back', async () => {
    const { db } = await openThread({
      handlers: { sessions: { onDelete: () => Promise.reject(new Error('not today')) } },
    })
    const write = db.sessions.delete('s1')
    expect(db.sessions.size).toBe(0)
    await expect(write.isPersisted.promise).rejects.toThrow('not today')
    expect(db.sessions.size).toBe(1)
  })

  test('take their rows of a transaction, and the rest is one batch', async () => {
    const seen: unknown[] = []
    const { db, writes, messages } = await openThread({
      handlers: {
        sessions: { onUpdate: ({ transaction }) => void seen.push(transaction.mutations.length) },
      },
    })
    createTransaction({ mutationFn: db.mutationFn }).mutate(() => {
      db.sessions.update('s1', set({ title: 'Mine' }))
      messages.delete('m1')
    })
    expect(seen).toEqual([1])
    expect(writes[0]?.batch.mutations).toMatchObject([{ type: 'delete', id: 'm1' }])
  })
})
