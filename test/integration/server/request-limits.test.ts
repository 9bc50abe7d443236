import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  createChatHandler,
  createUploadHandler,
  createWriteHandler,
  runWrite,
  runWrites,
  type SessionStore,
} from '../../../src/server/index.ts'
import {
  ada,
  bob,
  insertEvent,
  insertSession,
  type StoreFixture,
  startStore,
} from './store-fixture.ts'

const LIMIT = { maxConcurrent: 1, maxWaiting: 1, requestsPerSecond: 0.01, burst: 10 }

let fixture: StoreFixture
let store: SessionStore

beforeAll(async () => {
  fixture = await startStore({
    requestLimits: {
      writes: LIMIT,
      reads: LIMIT,
      searches: LIMIT,
      uploads: LIMIT,
      contents: LIMIT,
    },
  })
  store = fixture.store
  await fixture.write(ada, insertSession('s'))
})
afterAll(() => fixture.close())

const batch = (...mutations: object[]) => ({ id: randomUUID(), mutations }) as never
const user = () => ({ tenantId: 'acme', userId: randomUUID() })

async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item
  return undefined
}

/** Repeats a call until it is refused, at most 20 times. Returns the number of successes. */
async function untilRefused(call: () => Promise<unknown>): Promise<number> {
  for (let n = 0; n < 20; n++) {
    try {
      await call()
    } catch (error) {
      if ((error as { code?: string }).code === 'rate_limited') return n
    }
  }
  return 20
}

describe('refuses a principal beyond its limit, and no other', () => {
  test.each<[string, (principal: typeof ada) => Promise<unknown>]>([
    ['searches', (principal) => store.search(principal, { query: 'x' })],
    ['searches of events', (principal) => store.searchEvents(principal, { query: 'x' })],
    ['outlines', (principal) => store.outlineTimeline(principal, { sessionId: 's' })],
    ['facets', (principal) => store.timelineFacets(principal, 's')],
    ['sums of usage', (principal) => store.readUsage(principal, { by: 'month' })],
    ['messages', (principal) => store.readMessage(principal, 'm')],
    ['threads', (principal) => store.readThread(principal, 't')],
    ['pages of threads', (principal) => store.readThread(principal, 't', { last: 100 })],
    ['whole threads', (principal) => firstOf(store.threadMessages(principal, 't'))],
    ['lists of threads', (principal) => store.listThreads(principal)],
    ['lists of sessions', (principal) => store.listSessions(principal)],
    ['feedback', (principal) => store.readFeedback(principal)],
    ['rows', (principal) => store.readRows(principal, { shape: 'sessions' })],
    ['uploads', (principal) => store.uploadState(principal, 's')],
    ['new uploads', (principal) => store.createSession(principal, { id: 'u', title: 'u' })],
    ['bytes', async (principal) => store.uploadContent(principal, 's', (async function* () {})())],
    ['contents', (principal) => store.openContent(principal, 's')],
    ['events', (principal) => store.readEvent(principal, 's', 0)],
    [
      'new attachments',
      (principal) => store.createAttachment(principal, { id: 'a', threadId: 't', totalBytes: 1 }),
    ],
    ['states of attachments', (principal) => store.attachmentState(principal, 'a')],
    ['bytes of attachments', (principal) => store.receiveAttachment(principal, 'a', [])],
    ['attachments', (principal) => store.openAttachment(principal, 'a')],
    ['deleted attachments', (principal) => store.deleteAttachment(principal, 'a')],
  ])('%s', async (_, call) => {
    const [one, other] = [user(), user()]
    expect(await untilRefused(() => call(one))).toBe(10)
    expect(await untilRefused(() => call(other))).toBe(10)
  })
})

test('each 100 rows that a read may return count as one', async () => {
  const [one, other] = [user(), user()]
  expect(await untilRefused(() => store.readThread(one, 't', { last: 500 }))).toBe(2)
  const request = { shape: 'sessions', limit: 10_000 } as const
  expect(await untilRefused(() => store.readRows(other, request))).toBe(1)
  // A malformed number counts as one request, and doesn't add to what is left.
  for (const last of [-10_000, Number.NaN, 1e300]) {
    const principal = user()
    expect(await untilRefused(() => store.readThread(principal, 't', { last }))).toBe(10)
  }
})

test('a fork counts as ten mutations', async () => {
  const principal = user()
  const fork = { threadId: 't', messageId: 'm', id: 'fork' }
  expect(await untilRefused(() => store.forkThread(principal, fork))).toBe(1)
  expect(await runWrite(store, principal, batch(insertSession(randomUUID())))).toMatchObject({
    error: { code: 'rate_limited' },
  })
})

test('reads wait for a place, also each page of a whole thread', async () => {
  const { store, close, pool, untilBlocked } = await startStore({
    requestLimits: { reads: { maxConcurrent: 1, maxWaiting: 1 } },
  })
  const holder = await pool.connect()
  await holder.query('BEGIN; LOCK sessions')
  const first = store.listSessions(ada)
  await untilBlocked()
  const page = firstOf(store.threadMessages(ada, 't'))
  await expect(store.readMessage(ada, 'm')).rejects.toMatchObject({ code: 'rate_limited' })
  await holder.query('ROLLBACK')
  holder.release()
  expect(await first).toMatchObject({ sessions: [] })
  expect(await page).toBe(undefined)
  await close()
})

test('a batch counts as its mutations, and batches beyond the limit are refused one by one', async () => {
  const principal = user()
  const many = (n: number) => batch(...Array.from({ length: n }, () => insertSession(randomUUID())))
  const outcomes = await runWrites(store, principal, [many(4), many(8), many(1)])
  expect(outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'ok'))).toEqual([
    'ok',
    'ok',
    'rate_limited',
  ])
  expect(await runWrite(store, principal, many(1))).toMatchObject({
    error: { code: 'rate_limited', details: { retryAfterMs: expect.any(Number) } },
  })
})

test('a large body counts even when it is refused', async () => {
  const serve = createWriteHandler({ store, authenticate: () => ada })
  const post = (body: string) =>
    serve(
      new Request('http://app.test/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }),
    )
  expect((await post('x'.repeat(100_000))).status).toBe(400)
  const refused = await post(JSON.stringify(batch(insertSession('never'))))
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1_000)
  expect(await fixture.rows("SELECT FROM sessions WHERE id = 'never'")).toEqual([])
})

describe('the body of a request', () => {
  const PATCH = { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
  const cases: [string, method: string, path: string, headers: Record<string, string>][] = [
    ['batches', 'POST', 'write', { 'content-type': 'application/json' }],
    ['questions', 'POST', 'chat', { 'content-type': 'application/json' }],
    ['uploads', 'PATCH', 'uploads/s', PATCH],
    ['attachments', 'PATCH', 'uploads/attachments/a', PATCH],
  ]

  /** Creates a request that notes how often its body is read. */
  function start(principal: typeof ada, [, method, path, headers]: (typeof cases)[number]) {
    const authenticate = () => principal
    const handlers = {
      write: createWriteHandler({ store, authenticate }),
      chat: createChatHandler({ store, authenticate, answer: () => new ReadableStream() }),
      uploads: createUploadHandler({ store, authenticate }),
    }
    const serve = handlers[path.split('/')[0] as keyof typeof handlers]
    let reads = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          reads += 1
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const init = { method, headers, body, duplex: 'half' }
    const response = serve(new Request(`http://app.test/api/${path}`, init as RequestInit))
    return { response, reads: () => reads }
  }
  const limiterOf = ([name]: (typeof cases)[number]) =>
    store.limiters[name === 'uploads' || name === 'attachments' ? 'uploads' : 'writes']

  test.each(cases)('is not read when it is refused: %s', async (...each) => {
    const principal = user()
    await limiterOf(each).spend(principal, 1_000)
    const { response, reads } = start(principal, each)
    expect((await response).status).toBe(429)
    expect(reads()).toBe(0)
  })

  test.each(cases)('is not read before its turn: %s', async (...each) => {
    const principal = user()
    const leave = await limiterOf(each).enter(principal)
    const { response, reads } = start(principal, each)
    // One request may wait, so another one is refused as soon as the first one waits.
    await vi.waitFor(async () => {
      const left = AbortSignal.abort()
      const next = limiterOf(each).enter(principal, left)
      await expect(next).rejects.toMatchObject({ code: 'rate_limited' })
    })
    expect(reads()).toBe(0)
    leave()
    await response
    if (each[0] === 'batches' || each[0] === 'questions') expect(reads()).toBe(1)
  })
})

test('the upload handler answers 429 with Retry-After', async () => {
  const principal = user()
  const serve = createUploadHandler({ store, authenticate: () => principal })
  const get = () => serve(new Request('http://app.test/api/uploads/s'))
  for (let n = 0; n < 10; n++) expect((await get()).status).toBe(404)
  const refused = await get()
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('100')
})

test('the server may write without limit', async () => {
  const events = Array.from({ length: 30 }, (_, n) => insertEvent('s', n))
  for (const event of events) await fixture.write(ada, event)
})

test('concurrent batches of one principal wait for each other, and further ones are refused', async () => {
  const { store, close, pool, untilBlocked } = await startStore({
    requestLimits: { writes: { maxConcurrent: 2, maxWaiting: 3 } },
  })
  await store.write(ada, batch(insertSession('held')))
  const holder = await pool.connect()
  await holder.query("BEGIN; SELECT FROM sessions WHERE id = 'held' FOR UPDATE")
  const writes = Array.from({ length: 40 }, (_, n) =>
    runWrite(store, ada, batch(insertEvent('held', n))),
  )
  await untilBlocked()
  expect(await runWrite(store, bob, batch(insertSession('free')))).toMatchObject({
    txid: expect.any(Number),
  })
  await holder.query('ROLLBACK')
  holder.release()
  const outcomes = await Promise.all(writes)
  const codes = outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'ok'))
  expect(codes.filter((code) => code === 'ok')).toHaveLength(5)
  expect(codes.filter((code) => code === 'rate_limited')).toHaveLength(35)
  await close()
})
