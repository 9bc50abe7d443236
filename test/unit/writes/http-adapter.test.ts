import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WriteBatchInput } from '../../../src/writes/index.ts'
import { createHttpWriteAdapter, sendBatch, withRetries } from '../../../src/writes/index.ts'
import { retryAfterMs } from '../../../src/writes/retry-after.ts'
import { eventually } from '../../support/eventually.ts'
import { type Served, serve } from '../proxy/serve.ts'

const batch: WriteBatchInput = {
  id: 'b1',
  mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }],
}
const done = { batchId: 'b1', txid: 7, mutations: [] }

let app: Served
let answers: ((request: Request) => Response | Promise<Response>)[]
let requests: { authorization: string | null; body: unknown }[]

beforeEach(async () => {
  answers = []
  requests = []
  app = await serve(async (request) => {
    const authorization = request.headers.get('authorization')
    requests.push({ authorization, body: await request.json() })
    return (answers.shift() ?? (() => Response.json(done)))(request)
  })
})
afterEach(() => app.close())

const page =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    new Response('<h1>Sorry</h1>', { status, headers: { 'content-type': 'text/html', ...headers } })

describe('a response that is not the handler’s', () => {
  test.each([
    [502, 'unavailable'],
    [500, 'unavailable'],
    [429, 'rate_limited'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [413, 'too_large'],
    [404, 'invalid'],
    [405, 'invalid'],
    [200, 'unavailable'],
  ] as const)('a page with %i is `%s`', async (status, code) => {
    answers.push(page(status))
    const sending = sendBatch(createHttpWriteAdapter({ url: app.url }), batch)
    await expect(sending).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`${status} with text/html`),
      details: { status, contentType: 'text/html' },
    })
  })

  test('rejects with unavailable for other JSON and for an empty body', async () => {
    answers.push(
      () => Response.json({ ok: true }),
      () => new Response(null, { status: 204 }),
    )
    const adapter = createHttpWriteAdapter({ url: app.url })
    await expect(sendBatch(adapter, batch)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(sendBatch(adapter, batch)).rejects.toMatchObject({ details: { status: 204 } })
  })
})

test('adds Retry-After to details, whether or not the response is the handler’s', async () => {
  const busy = { error: { code: 'rate_limited', message: 'slowly', details: { limit: 5 } } }
  answers.push(() => Response.json(busy, { status: 429, headers: { 'retry-after': '3' } }))
  answers.push(page(503, { 'retry-after': '2' }))
  const adapter = createHttpWriteAdapter({ url: app.url })
  await expect(sendBatch(adapter, batch)).rejects.toMatchObject({
    code: 'rate_limited',
    details: { limit: 5, retryAfterMs: 3_000 },
  })
  await expect(sendBatch(adapter, batch)).rejects.toMatchObject({
    details: { retryAfterMs: 2_000 },
  })
})

test('parses Retry-After as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const read = (header: string | null) => retryAfterMs(header, now)
  expect([read('1.5'), read('Thu, 01 Jan 2026 00:00:10 GMT')]).toEqual([1_500, 10_000])
  expect(read('Thu, 01 Jan 2025 00:00:10 GMT')).toBe(0)
  expect([read(null), read(''), read('soon')]).toEqual([undefined, undefined, undefined])
})

describe('no response', () => {
  test('rejects with unavailable if the server cannot be reached', async () => {
    const adapter = createHttpWriteAdapter({ url: 'http://127.0.0.1:1/write' })
    await expect(adapter(batch)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('could not be reached'),
    })
  })

  test('rejects with unavailable after the timeout', async () => {
    answers.push(() => new Promise(() => {}))
    const adapter = createHttpWriteAdapter({ url: app.url, timeoutMs: 50 })
    await expect(adapter(batch)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('within 50 ms'),
    })
  })

  test('rejects with unavailable if the connection breaks halfway through the response', async () => {
    const half = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"batchId":'))
      },
      pull: (controller) => controller.error(new Error('gone')),
    })
    const broken: typeof fetch = async () => new Response(half)
    const adapter = createHttpWriteAdapter({ url: app.url, fetchClient: broken })
    await expect(adapter(batch)).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('rejects with the caller’s reason if the caller aborts', async () => {
    answers.push(() => new Promise(() => {}))
    const caller = new AbortController()
    const sending = createHttpWriteAdapter({ url: app.url })(batch, { signal: caller.signal })
    caller.abort(new Error('closed'))
    await expect(sending).rejects.toThrow('closed')
  })
})

test('withRetries sends one batch until it succeeds after a broken connection and an overload', async () => {
  let broken = true
  const flaky: typeof fetch = (...args) => {
    if (!broken) return fetch(...args)
    broken = false
    return Promise.reject(new TypeError('fetch failed'))
  }
  answers.push(page(503, { 'retry-after': '0' }))
  const adapter = createHttpWriteAdapter({ url: app.url, fetchClient: flaky })
  const sending = sendBatch(withRetries(adapter, { firstDelayMs: 1 }), batch)
  await expect(sending).resolves.toEqual(done)
  expect(requests.map(({ body }) => body)).toEqual([batch, batch])
})

describe('401', () => {
  const refused = () =>
    Response.json({ error: { code: 'unauthenticated', message: 'Sign in.' } }, { status: 401 })

  test('triggers one refresh for concurrent requests and keeps its headers', async () => {
    let refreshes = 0
    const adapter = createHttpWriteAdapter({
      url: app.url,
      headers: { authorization: 'old' },
      onUnauthenticated: async () => {
        refreshes += 1
        // All three are under way with the old sign-in before there is a new one.
        await eventually(() => expect(requests).toHaveLength(3), 1)
        return { authorization: 'new' }
      },
    })
    const strict = (request: Request) =>
      request.headers.get('authorization') === 'new' ? Response.json(done) : refused()
    answers.push(...Array.from({ length: 10 }, () => strict))
    const results = await Promise.all([1, 2, 3].map(() => sendBatch(adapter, batch)))
    expect(results).toEqual([done, done, done])
    await sendBatch(adapter, batch)
    expect(refreshes).toBe(1)
    const seen = requests.map(({ authorization }) => authorization)
    expect(seen).toEqual(['old', 'old', 'old', 'new', 'new', 'new', 'new'])
  })

  test('rejects with unauthenticated if the refresh fails or does not help', async () => {
    answers.push(refused, refused, refused, refused)
    const failing = createHttpWriteAdapter({
      url: app.url,
      onUnauthenticated: () => Promise.reject(new Error('expired')),
    })
    await expect(sendBatch(failing, batch)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(requests).toHaveLength(1)
    const useless = createHttpWriteAdapter({ url: app.url, onUnauthenticated: async () => {} })
    await expect(sendBatch(useless, batch)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(requests).toHaveLength(3)
  })
})
