import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { threadPath } from '../../../src/chat/thread-path.ts'
import { createId, streamMessage } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { fc } from '../../support/property.ts'
import { type AppServer, startAppServer } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** Creates a thread with this many messages, `<thread>-1` to `<thread>-n`. */
async function givenThread(length: number) {
  const db = openAs(app, 'acme/ann')
  const sessionId = createId()
  const id = createId()
  await db.actions.createSession({ id: sessionId, title: 'S', visibility: 'tenant' }).committed
  await db.actions.createThread({ id, sessionId, mode: 'session', title: 'T' }).committed
  await app.sql(
    `INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, position)
     SELECT $4, $1 || '-' || n, $1, $2, 'ann', 'user', 'Message ' || n, n
     FROM generate_series(1, $3::integer) n`,
    [id, sessionId, length, app.principal('acme/ann').tenantId],
  )
  return { db, thread: { id, sessionId } }
}

const contents = (messages: { values(): Iterable<{ position: number; content: string }> }) =>
  [...messages.values()].sort((a, b) => a.position - b.position).map(({ content }) => content)

describe('a window of a thread', () => {
  test('opens with the last messages, and loads older ones and single ones', async () => {
    const { db, thread } = await givenThread(2_000)
    const window = db.thread(thread, { last: 50 })
    expect(db.thread(thread, { last: 50 })).toBe(window)
    await window.messages.preload()
    expect(window.messages.size).toBe(51)
    await eventually(() =>
      expect(window.state.get()).toEqual({ total: 2_000, loaded: 51, hasOlder: true }),
    )
    expect(await window.loadOlder()).toBe(150)
    expect(await window.loadOlder()).toBe(200)
    expect(contents(window.messages)[0]).toBe('Message 1600')
    const found = await window.loadMessage(`${thread.id}-300`)
    expect(found?.content).toBe('Message 300')
    expect(window.messages.size).toBe(601)
    expect(await window.loadMessage('nothing')).toBeUndefined()
    expect(window.state.get()).toEqual({ total: 2_000, loaded: 601, hasOlder: true })
  })

  test('shows new messages, edits and streaming answers, and only follows what is loaded', async () => {
    const { db, thread } = await givenThread(400)
    const { messages } = db.thread(thread, { last: 20 })
    await messages.preload()
    const bob = openAs(app, 'acme/bob')
    await bob.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'From Bob' })
      .committed
    await eventually(() => expect(contents(messages).at(-1)).toBe('From Bob'))
    const stream = streamMessage(db, { threadId: thread.id, role: 'assistant' })
    stream.append('Hello ')
    await stream.flush()
    await eventually(() => expect(messages.get(stream.id)?.content).toBe('Hello '))
    stream.append('world')
    await stream.finish()
    await eventually(() =>
      expect(messages.get(stream.id)).toMatchObject({ content: 'Hello world', status: 'complete' }),
    )
    const size = messages.size
    await db.actions.updateMessage(`${thread.id}-3`, { content: 'Edited' }).committed
    await db.actions.updateMessage(`${thread.id}-399`, { content: 'Edited' }).committed
    await eventually(() => expect(messages.get(`${thread.id}-399`)?.content).toBe('Edited'))
    expect(messages.size).toBe(size)
    expect(messages.has(`${thread.id}-3`)).toBe(false)
  })

  test('shows writes before the server has answered, by actions and by the collection', async () => {
    const { db, thread } = await givenThread(100)
    const { messages } = db.thread(thread, { last: 20 })
    await messages.preload()
    const write = db.actions.appendMessage({ threadId: thread.id, role: 'user', content: 'Mine' })
    expect(messages.get(write.id)).toMatchObject({ content: 'Mine', position: 101 })
    await write.committed
    expect(messages.get(write.id)).toMatchObject({ content: 'Mine', authorId: 'ann', version: 1 })
    const native = messages.insert({ role: 'user', content: 'Native' })
    expect(contents(messages).slice(-2)).toEqual(['Mine', 'Native'])
    await native.isPersisted.promise
    expect(contents(messages).slice(-2)).toEqual(['Mine', 'Native'])
    await db.actions.deleteMessage(write.id).committed
    expect(messages.has(write.id)).toBe(false)
  })

  test('follows a branch to messages far before it', async () => {
    const { db, thread } = await givenThread(1_000)
    await db.actions.appendMessage({
      threadId: thread.id,
      role: 'user',
      content: 'Branch',
      parentId: `${thread.id}-10`,
    }).committed
    const window = db.thread(thread, { last: 20 })
    await window.messages.preload()
    const shown = () => threadPath([...window.messages.values()]).map(({ content }) => content)
    expect(shown()).toEqual(['Branch'])
    await window.loadOlder()
    expect(shown()).toEqual([...Array.from({ length: 10 }, (_, n) => `Message ${n + 1}`), 'Branch'])
    expect(await window.loadOlder()).toBe(0)
  })

  test('shows the branch that the thread is switched to, however old', async () => {
    const { db, thread } = await givenThread(600)
    await db.actions.switchBranch(thread.id, `${thread.id}-100`).committed
    const { messages } = db.thread(thread, { last: 20 })
    await messages.preload()
    expect(messages.has(`${thread.id}-100`)).toBe(true)
    expect(messages.has(`${thread.id}-300`)).toBe(false)
    await db.actions.switchBranch(thread.id, `${thread.id}-300`).committed
    await eventually(() => expect(messages.has(`${thread.id}-300`)).toBe(true))
  })

  test('jumps to the first message since a date, in a long thread with gaps', async () => {
    const length = 1_500
    const { thread } = await givenThread(length)
    const start = Date.parse('2026-01-01T00:00:00Z')
    // One message a minute, and a deleted part that is longer than two blocks.
    await app.sql(
      `UPDATE chat_messages SET created_at = $2::timestamptz + position * interval '1 minute'
       WHERE thread_id = $1`,
      [thread.id, new Date(start)],
    )
    await app.sql(
      'DELETE FROM chat_messages WHERE thread_id = $1 AND position BETWEEN 410 AND 1010',
      [thread.id],
    )
    const db = openAs(app, 'acme/ann')
    const firstSince = async (date: Date) => {
      const [row] = await app.sql(
        `SELECT id FROM chat_messages WHERE thread_id = $1 AND created_at >= $2
         ORDER BY position LIMIT 1`,
        [thread.id, date],
      )
      return Object(row).id
    }
    const minute = fc.integer({ min: -5, max: length + 5 })
    await fc.assert(
      fc.asyncProperty(fc.oneof(minute, fc.constantFrom(409, 410, 1010, 1011)), async (minutes) => {
        const date = new Date(start + minutes * 60_000)
        const window = db.thread(thread, { last: 40 })
        await window.messages.preload()
        const found = await window.loadMessageAt(date)
        expect(found?.id).toBe(await firstSince(date))
        // It is in the window, and so are the messages after it.
        if (found !== undefined) expect(window.messages.get(found.id)).toEqual(found)
      }),
      { numRuns: 15 },
    )
    const fresh = openAs(app, 'acme/ann').thread(thread, { last: 40 })
    await fresh.messages.preload()
    const before = fresh.messages.size
    const found = await fresh.loadMessageAt(new Date(start + 205 * 60_000))
    expect(found?.content).toBe('Message 205')
    expect(fresh.messages.size - before).toBe(200)
    expect(await fresh.loadMessageAt(new Date(start + 10 * length * 60_000))).toBeUndefined()
  })

  test('reads as much of a long thread as of a short one, and jumps in a few requests', async () => {
    const opened = async (length: number) => {
      const { thread } = await givenThread(length)
      const snapshots: string[] = []
      const fetchClient: typeof fetch = (input, init) => {
        const { searchParams } = new URL(String(input instanceof Request ? input.url : input))
        if (searchParams.get('offset') === '-1') snapshots.push(String(searchParams))
        return fetch(input, init)
      }
      const db = openAs(app, 'acme/ann', { fetchClient })
      const window = db.thread(thread, { last: 20 })
      await window.messages.preload()
      const atFirst = { snapshots: snapshots.length, messages: window.messages.size }
      const [row] = await app.sql(
        'SELECT created_at AS "at" FROM chat_messages WHERE thread_id = $1 LIMIT 1',
        [thread.id],
      )
      const found = await window.loadMessageAt(Object(row).at)
      expect(found?.content).toBe('Message 1')
      return { atFirst, jump: snapshots.length - atFirst.snapshots }
    }
    const [short, long] = [await opened(100), await opened(3_000)]
    expect(long.atFirst.snapshots).toBe(short.atFirst.snapshots)
    expect(Math.abs(long.atFirst.messages - short.atFirst.messages)).toBeLessThan(50)
    expect(short.atFirst.snapshots).toBeGreaterThan(0)
    expect(long.jump).toBeLessThanOrEqual(8)
  })

  test('is empty for those who may not see the thread, and after a sign-out', async () => {
    const { db, thread } = await givenThread(30)
    const eve = openAs(app, 'globex/eve')
    const hidden = eve.thread(thread, { last: 20 })
    await hidden.messages.preload()
    expect(hidden.messages.size).toBe(0)
    expect(await hidden.loadMessage(`${thread.id}-1`)).toBeUndefined()
    expect(await hidden.loadMessageAt(new Date(0))).toBeUndefined()
    const { messages } = db.thread(thread, { last: 20 })
    await messages.preload()
    expect(messages.size).toBe(30)
    await db.signOut()
    expect(messages.size).toBe(0)
  })
})
