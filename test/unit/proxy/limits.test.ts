import { expect, test, vi } from 'vitest'
import { createShapeProxy, type ShapeProxyOptions } from '../../../src/server/proxy/shape-proxy.ts'

/** Creates a proxy whose engine sends a body that ends when `finish` is called. */
function limited(limits: NonNullable<ShapeProxyOptions['limits']>) {
  const bodies: ReadableStreamDefaultController<Uint8Array>[] = []
  const proxy = createShapeProxy({
    electricUrl: 'http://electric.test',
    authenticate: (request) => ({ tenantId: 't1', userId: request.headers.get('x-user') ?? 'ann' }),
    limits,
    fetchClient: async () =>
      new Response(new ReadableStream({ start: (controller) => void bodies.push(controller) })),
  })
  const get = (user = 'ann', signal?: AbortSignal) =>
    proxy(
      new Request('http://app.test/sessions?offset=-1', {
        headers: { 'x-user': user },
        ...(signal ? { signal } : {}),
      }),
    )
  return { get, finish: () => bodies.shift()?.close() }
}

test('limits concurrent requests per principal', async () => {
  const { get, finish } = limited({ maxConcurrent: 2 })
  const [first, second] = [await get(), await get()]
  const third = await get()
  expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
  expect(third.headers.get('retry-after')).toBe('1')
  expect(await third.json()).toMatchObject({ error: { code: 'rate_limited' } })
  expect((await get('bob')).status).toBe(200)
  finish()
  await first.text()
  expect((await get()).status).toBe(200)
})

test('frees the slot of a client that disconnects or cancels', async () => {
  const { get } = limited({ maxConcurrent: 1 })
  const client = new AbortController()
  await get('ann', client.signal)
  expect((await get()).status).toBe(429)
  client.abort()
  const next = await get()
  expect(next.status).toBe(200)
  await next.body?.cancel()
  expect((await get()).status).toBe(200)
})

test('limits the request rate after a burst', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const { get } = limited({ requestsPerSecond: 2, burst: 3 })
    const statuses = async (count: number) => {
      const answers: number[] = []
      for (let n = 0; n < count; n++) answers.push((await get()).status)
      return answers
    }
    expect(await statuses(4)).toEqual([200, 200, 200, 429])
    vi.advanceTimersByTime(1_000)
    expect(await statuses(3)).toEqual([200, 200, 429])
  } finally {
    vi.useRealTimers()
  }
})

test('throws for a limit that is not a positive number', () => {
  expect(() => limited({ maxConcurrent: 0 })).toThrow(/limits.maxConcurrent/)
})

test('starts eight polls of a user each 50 ms, also when they are answered immediately', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { poll, waiting, untilWaiting } = livePolls()
    const ann = await poll('ann', 30)
    await untilWaiting(8)
    const bob = await poll('bob', 2)
    await untilWaiting(8 + 2)
    for (const answer of waiting.splice(0, 3)) answer()
    await untilWaiting(5 + 2)
    vi.advanceTimersByTime(49)
    await untilWaiting(5 + 2)
    vi.advanceTimersByTime(1)
    await untilWaiting(13 + 2)
    vi.advanceTimersByTime(50)
    await untilWaiting(21 + 2)
    vi.advanceTimersByTime(50)
    await untilWaiting(27 + 2)
    await ann.body?.cancel()
    await bob.body?.cancel()
  } finally {
    vi.useRealTimers()
  }
})

/** Creates a proxy whose engine holds polls until `waiting` is called, which are then refused. */
function livePolls() {
  const waiting: (() => void)[] = []
  const proxy = createShapeProxy({
    electricUrl: 'http://electric.test',
    authenticate: (request) => ({ tenantId: 't1', userId: request.headers.get('x-user') ?? '' }),
    fetchClient: () =>
      new Promise((resolve) => {
        waiting.push(() => resolve(new Response(null, { status: 409 })))
      }),
  })
  const poll = (user: string, count: number) => {
    const polls = Array.from({ length: count }, (_, n) => ({
      shape: 'sessions',
      query: `live=true&offset=0_0&handle=${user}${n}`,
    }))
    const headers = { 'content-type': 'application/json', 'x-user': user }
    const body = JSON.stringify({ polls })
    return proxy(new Request('http://app.test/_live', { method: 'POST', headers, body }))
  }
  /** Waits until so many polls wait in the engine, and checks that no more do. */
  async function untilWaiting(count: number): Promise<void> {
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    while (waiting.length < count) await turn()
    for (let n = 0; n < 50; n++) await turn()
    expect(waiting).toHaveLength(count)
  }
  return { poll, waiting, untilWaiting }
}

test('a batch counts as the polls that it carries, before they are authenticated', async () => {
  let authentications = 0
  const proxy = createShapeProxy({
    electricUrl: 'http://electric.test',
    authenticate: () => {
      authentications += 1
      return { tenantId: 't1', userId: 'ann' }
    },
    limits: { requestsPerSecond: 1, burst: 30 },
    fetchClient: async () => Response.json([]),
  })
  const polls = Array.from({ length: 200 }, (_, n) => ({
    shape: 'sessions',
    query: `live=true&offset=0_0&handle=h${n}`,
  }))
  const post = async () => {
    const response = await proxy(
      new Request('http://app.test/_live', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ polls }),
      }),
    )
    await response.text()
    return response.status
  }
  const statuses = []
  for (let n = 0; n < 20; n++) statuses.push(await post())
  expect(statuses).toEqual([200, ...Array(19).fill(429)])
  // One for each batch, and one for each poll that was served.
  expect(authentications).toBe(20 + 200)
})
