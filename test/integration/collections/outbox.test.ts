import 'fake-indexeddb/auto'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createId,
  createOutbox,
  type Outbox,
  type OutboxEntry,
  type SessionCollections,
} from '../../../src/collections/index.ts'
import { SessionDbError } from '../../../src/errors.ts'
import { createHttpWriteAdapter, type WriteAdapter } from '../../../src/writes/index.ts'
import { type AppServer, startAppServer, USER_HEADER } from './app-server.ts'
import { openAs } from './open-as.ts'

let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterAll(() => app.close())

/** A device whose network the test switches, and on which pages are opened and closed. */
interface Device {
  online: boolean
  /** The server applies a batch, and its answer is lost. */
  losesAnswers: boolean
  requests: number
  readonly failed: OutboxEntry[]
  open(user?: string): Page
}

interface Page {
  readonly db: SessionCollections
  readonly outbox: Outbox
  /** How often this page asked the server to write. */
  requests(): number
  close(): Promise<void>
}

function createDevice(name: string = randomUUID()): Device {
  const device: Device = {
    online: true,
    losesAnswers: false,
    requests: 0,
    failed: [],
    open(user = 'acme/ann') {
      const [tenantId = '', userId = ''] = user.split('/')
      const identity = { tenantId, userId }
      const outbox = createOutbox({
        identity,
        name,
        onFailed: (entry) => device.failed.push(entry),
      })
      let requests = 0
      const send = throughNetwork(user)
      const writeAdapter: WriteAdapter = (batch) => {
        requests += 1
        return send(batch)
      }
      const db = openAs(app, user, { outbox, writeAdapter })
      return { db, outbox, requests: () => requests, close: () => db.cleanup() }
    },
  }
  function throughNetwork(user: string): WriteAdapter {
    const send = createHttpWriteAdapter({
      url: `${app.url}/api/write`,
      headers: { [USER_HEADER]: user },
    })
    return async (batch) => {
      if (!device.online) throw new TypeError('Failed to fetch')
      device.requests += 1
      const answer = await send(batch)
      if (device.losesAnswers) throw new TypeError('Failed to fetch')
      return answer
    }
  }
  onTestFinished(() => {
    device.online = false
  })
  return device
}

async function prepareThread(): Promise<{ sessionId: string; threadId: string }> {
  const db = openAs(app, 'acme/ann')
  const [sessionId, threadId] = [createId(), createId()]
  const value = { id: sessionId, title: 'S', visibility: 'tenant' as const }
  await db.actions.write([
    { collection: 'sessions', type: 'insert', value },
    {
      collection: 'chatThreads',
      type: 'insert',
      value: { id: threadId, sessionId, mode: 'session', title: 'T' },
    },
  ]).committed
  return { sessionId, threadId }
}

function stored(threadId: string): Promise<unknown[]> {
  return app.sql('SELECT content FROM chat_messages WHERE thread_id = $1 ORDER BY position', [
    threadId,
  ])
}

const contents = (...texts: string[]) => texts.map((content) => ({ content }))
const patient = { timeout: 30_000, interval: 20 }

describe('an outbox', () => {
  test('sends writes immediately while there is a network', async () => {
    const { sessionId, threadId } = await prepareThread()
    const page = createDevice().open()
    await page.db.thread({ id: threadId, sessionId }).messages.preload()
    const { id, committed } = page.db.actions.appendMessage({
      threadId,
      role: 'user',
      content: 'a',
    })
    expect(page.db.thread({ id: threadId, sessionId }).messages.get(id)?.content).toBe('a')
    const result = await committed
    expect(result.txid).toEqual(expect.any(Number))
    expect(result.mutations).toMatchObject([{ id, version: 1 }])
    expect(await page.outbox.entries()).toEqual([])
  })

  test('keeps offline writes over a reload, in order, and sends them in one request', async () => {
    const { sessionId, threadId } = await prepareThread()
    const device = createDevice()
    device.online = false
    const before = device.open()
    for (const content of ['one', 'two', 'three'])
      before.db.actions.appendMessage({ threadId, role: 'user', content })
    await vi.waitFor(async () => expect(await before.outbox.entries()).toHaveLength(3), patient)
    await before.close()

    const after = device.open()
    const { messages } = after.db.thread({ id: threadId, sessionId })
    await messages.preload()
    const shown = () => [...messages.values()].map(({ content }) => content).sort()
    await vi.waitFor(() => expect(shown()).toEqual(['one', 'three', 'two']), patient)
    expect(await stored(threadId)).toEqual([])
    await vi.waitFor(() => expect(after.outbox.status.get().waiting).toBe(3), patient)

    device.online = true
    after.outbox.flush()
    await vi.waitFor(
      async () => expect(await stored(threadId)).toEqual(contents('one', 'two', 'three')),
      patient,
    )
    await vi.waitFor(async () => expect(await after.outbox.entries()).toEqual([]), patient)
    // Written in one go, the first may have been tried alone before the others were there.
    expect(device.requests).toBeLessThanOrEqual(2)
    await vi.waitFor(() => {
      const positions = [...messages.values()].map(({ position, version }) => [position, version])
      expect(positions.sort()).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
      ])
    }, patient)
  })

  test('applies a write whose answer was lost once, also after a reload and with others behind it', async () => {
    const { threadId } = await prepareThread()
    const device = createDevice()
    device.losesAnswers = true
    const before = device.open()
    before.db.actions.appendMessage({ threadId, role: 'user', content: 'first' })
    await vi.waitFor(async () => expect(await stored(threadId)).toHaveLength(1), patient)
    before.db.actions.appendMessage({ threadId, role: 'user', content: 'second' })
    await vi.waitFor(async () => expect(await before.outbox.entries()).toHaveLength(2), patient)
    await before.close()
    const after = device.open()
    device.losesAnswers = false
    after.db.actions.appendMessage({ threadId, role: 'user', content: 'third' })
    await vi.waitFor(async () => expect(await after.outbox.entries()).toEqual([]), patient)
    expect(await stored(threadId)).toEqual(contents('first', 'second', 'third'))
    expect(device.failed).toEqual([])
  })

  test('isolates a refused write from those around it, to be retried or discarded', async () => {
    const { threadId } = await prepareThread()
    const missing = createId()
    const device = createDevice()
    device.online = false
    const page = device.open()
    const { actions } = page.db
    const writes = [
      actions.appendMessage({ threadId, role: 'user', content: 'one' }),
      actions.appendMessage({ threadId: missing, role: 'user', content: 'refused' }),
      actions.appendMessage({ threadId, role: 'user', content: 'two' }),
      actions.deleteMessage(createId()),
      actions.appendMessage({ threadId, role: 'user', content: 'three' }),
    ]
    const outcomes = Promise.allSettled(writes.map(({ committed }) => committed))
    await vi.waitFor(async () => expect(await page.outbox.entries()).toHaveLength(5), patient)
    device.online = true
    page.outbox.flush()
    expect((await outcomes).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(await stored(threadId)).toEqual(contents('one', 'two', 'three'))
    expect(device.failed.map(({ batch, failure }) => [batch.id, failure?.code])).toEqual([
      [writes[1]?.batchId, 'not_found'],
      [writes[3]?.batchId, 'not_found'],
    ])
    await vi.waitFor(
      () => expect(page.outbox.status.get()).toMatchObject({ waiting: 0, failed: 2 }),
      patient,
    )

    await expect(page.outbox.discard('nonsense')).rejects.toThrow(SessionDbError)
    await page.outbox.discard(writes[3]?.batchId ?? '')
    const [{ session_id: sessionId } = { session_id: '' }] = (await app.sql(
      'SELECT session_id FROM chat_threads WHERE id = $1',
      [threadId],
    )) as { session_id: string }[]
    const thread = { id: missing, sessionId, mode: 'general' as const, title: 'Late' }
    await page.db.actions.createThread(thread).committed
    await page.outbox.retry(writes[1]?.batchId ?? '')
    await vi.waitFor(
      async () => expect(await stored(missing)).toEqual(contents('refused')),
      patient,
    )
    expect(await page.outbox.entries()).toEqual([])
  })

  test('never sends one user’s writes as another', async () => {
    const { threadId } = await prepareThread()
    const device = createDevice()
    device.online = false
    const ann = device.open('acme/ann')
    ann.db.actions.appendMessage({ threadId, role: 'user', content: 'of ann' })
    await vi.waitFor(async () => expect(await ann.outbox.entries()).toHaveLength(1), patient)
    await ann.close()
    device.online = true
    const bob = device.open('acme/bob')
    expect(await bob.outbox.entries()).toEqual([])
    await bob.db.actions.appendMessage({ threadId, role: 'user', content: 'of bob' }).committed
    expect(await stored(threadId)).toEqual(contents('of bob'))
    device.open('acme/ann')
    await vi.waitFor(
      async () => expect(await stored(threadId)).toEqual(contents('of bob', 'of ann')),
      patient,
    )
    const authors = await app.sql(
      'SELECT author_id FROM chat_messages WHERE thread_id = $1 ORDER BY position',
      [threadId],
    )
    expect(authors).toEqual([{ author_id: 'bob' }, { author_id: 'ann' }])
  })

  test('sends from one of two pages, and answers each its own writes', async () => {
    const { sessionId, threadId } = await prepareThread()
    const device = createDevice()
    const [one, two] = [device.open(), device.open()]
    await two.db.thread({ id: threadId, sessionId }).messages.preload()
    const write = ({ db }: Page, content: string) =>
      db.actions.appendMessage({ threadId, role: 'user', content }).committed
    await Promise.all([write(one, 'a'), write(two, 'b'), write(one, 'c'), write(two, 'd')])
    expect(await stored(threadId)).toHaveLength(4)
    expect(one.requests()).toBeGreaterThan(0)
    expect(two.requests()).toBe(0)
    await one.close()
    await write(two, 'e')
    expect(await stored(threadId)).toHaveLength(5)
  })
})
