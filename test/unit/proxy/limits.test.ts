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
