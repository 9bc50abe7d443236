import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLimiter } from '../../../src/server/http/limiter.ts'
import {
  createRequestLimiters,
  defaultRequestLimits,
  type RequestLimits,
} from '../../../src/server/http/request-limits.ts'

const ann = { tenantId: 't1', userId: 'ann' }
const bob = { tenantId: 't1', userId: 'bob' }

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** Starts work that ends when `finish` is called with its number. */
function work() {
  const started: number[] = []
  const ends: (() => void)[] = []
  const start = (n: number) => () => {
    started.push(n)
    return new Promise<number>((resolve) => {
      ends[n] = () => resolve(n)
    })
  }
  return { started, start, finish: (n: number) => ends[n]?.() }
}

test('runs as many requests as allowed, and the others in their order', async () => {
  const { started, start, finish } = work()
  const limiter = createLimiter({ maxConcurrent: 2, maxWaiting: 2 })
  const runs = [0, 1, 2, 3].map((n) => limiter.run(ann, start(n)))
  const fifth = limiter.run(ann, start(4))
  await expect(fifth).rejects.toMatchObject({
    code: 'rate_limited',
    details: { retryAfterMs: 1000 },
  })
  expect(started).toEqual([0, 1])
  finish(1)
  await runs[1]
  await vi.waitFor(() => expect(started).toEqual([0, 1, 2]))
  finish(0)
  await runs[0]
  await vi.waitFor(() => expect(started).toEqual([0, 1, 2, 3]))
})

test('does not let one principal wait for another', async () => {
  const { started, start } = work()
  const limiter = createLimiter({ maxConcurrent: 1 })
  void limiter.run(ann, start(0))
  void limiter.run(bob, start(1))
  await vi.waitFor(() => expect(started).toEqual([0, 1]))
})

test('a client that disconnects leaves the queue', async () => {
  const limiter = createLimiter({ maxConcurrent: 1, maxWaiting: 1 })
  const leave = await limiter.enter(ann)
  const client = new AbortController()
  const waiting = limiter.enter(ann, client.signal)
  client.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
  const next = limiter.enter(ann)
  leave()
  leave()
  await next
  await expect(Promise.all([limiter.enter(ann), limiter.enter(ann)])).rejects.toMatchObject({
    code: 'rate_limited',
  })
})

test('a request may cost more than what is left, and the next ones make up for it', async () => {
  const limiter = createLimiter({ requestsPerSecond: 10, burst: 20 })
  await limiter.spend(ann, 49)
  await expect(limiter.spend(ann)).rejects.toMatchObject({ code: 'rate_limited' })
  vi.advanceTimersByTime(2_900)
  await expect(limiter.spend(ann)).rejects.toThrow(/Try again in 1 s/)
  vi.advanceTimersByTime(100)
  await limiter.spend(ann)
  await limiter.spend(bob, 20)
})

test('admits an expensive request when half of the burst is left', async () => {
  const limiter = createLimiter({ requestsPerSecond: 10, burst: 20 })
  await limiter.spend(ann, 12)
  await expect(limiter.spend(ann, 100)).rejects.toMatchObject({ details: { retryAfterMs: 1000 } })
  await limiter.spend(ann, 8)
  vi.advanceTimersByTime(1_000)
  await limiter.spend(ann, 100)
})

test('delays the refusals of a client that goes on without a pause, and no other’s', async () => {
  const limiter = createLimiter({ requestsPerSecond: 0.01, burst: 1 })
  const refuse = async (principal: typeof ann, count: number) => {
    const begun = Date.now()
    const refusals = Array.from({ length: count }, () => limiter.spend(principal).catch(() => {}))
    await Promise.all(refusals)
    return Date.now() - begun
  }
  await Promise.all([limiter.spend(ann), limiter.spend(bob)])
  expect(await refuse(ann, 20)).toBeLessThan(500)
  const [anns, bobs] = await Promise.all([refuse(ann, 12), refuse(bob, 12)])
  // Timers may fire a millisecond early.
  expect(anns).toBeGreaterThanOrEqual(12 * 50 - 5)
  expect(bobs).toBeLessThan(anns)
})

test('limits every kind of request by default, and each may be changed or turned off', async () => {
  const spendMany = async (kind: keyof RequestLimits, limits = {}) => {
    const limiter = createRequestLimiters(limits)[kind]
    for (let n = 0; n < 6_000; n++) await limiter.spend(ann)
  }
  for (const kind of Object.keys(defaultRequestLimits) as (keyof RequestLimits)[]) {
    await expect(spendMany(kind)).rejects.toMatchObject({ code: 'rate_limited' })
    await spendMany(kind, { [kind]: false })
    await spendMany(kind, { [kind]: { requestsPerSecond: 1, burst: 10_000 } })
  }
  expect(() => createRequestLimiters({ writes: { maxConcurrent: 0 } })).toThrow(
    /requestLimits.writes.maxConcurrent/,
  )
})
