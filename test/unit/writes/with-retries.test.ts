import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SessionDbError } from '../../../src/errors.ts'
import type { WriteAdapter, WriteBatchInput, WriteOutcome } from '../../../src/writes/index.ts'
import { type WriteRetryOptions, withRetries } from '../../../src/writes/with-retries.ts'

const batch: WriteBatchInput = {
  id: 'b1',
  mutations: [{ collection: 'sessions', type: 'delete', id: 's1' }],
}
const done: WriteOutcome = { batchId: 'b1', txid: 7, mutations: [] }
const failure = (code: 'unavailable' | 'conflict' | 'rate_limited', details?: object) =>
  ({ error: { code, message: 'no', ...(details && { details }) } }) as WriteOutcome

/** An adapter that answers, or throws, one of these after the other. */
function script(...answers: (WriteOutcome | Error)[]) {
  const sent: WriteBatchInput[] = []
  const at: number[] = []
  const adapter: WriteAdapter = async (given) => {
    sent.push(given)
    at.push(Date.now())
    const answer = answers[sent.length - 1] ?? answers.at(-1)
    if (answer === undefined || answer instanceof Error) throw answer
    return answer
  }
  return { adapter, sent, pauses: () => at.slice(1).map((time, i) => time - (at[i] ?? 0)) }
}

async function send(adapter: WriteAdapter, options?: WriteRetryOptions, signal?: AbortSignal) {
  const sending = withRetries(adapter, options)(batch, signal && { signal })
  const settled = sending.then(
    (outcome) => ({ outcome }),
    (error: unknown) => ({ error }),
  )
  await vi.runAllTimersAsync()
  return settled
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('withRetries', () => {
  test.each([
    ['the outcome `unavailable`', failure('unavailable')],
    ['an answer `rate_limited`', failure('rate_limited')],
    ['a rejection `unavailable`', new SessionDbError('unavailable', 'no')],
    ['a network error of Node', new TypeError('fetch failed')],
    ['a network error of Chromium', new TypeError('Failed to fetch')],
    [
      'a network error of Firefox',
      new TypeError('NetworkError when attempting to fetch resource.'),
    ],
    ['a network error of Safari', new TypeError('Load failed')],
  ])('retries %s with the same batch', async (_name, first) => {
    const { adapter, sent } = script(first, first, done)
    expect(await send(adapter)).toEqual({ outcome: done })
    expect(sent).toEqual([batch, batch, batch])
  })

  test.each([
    ['a refusal', failure('conflict')],
    ['a rejection with a refusal', new SessionDbError('forbidden', 'no')],
    ['a bug', new TypeError("Cannot read properties of undefined (reading 'id')")],
    ['nonsense', 'oops' as unknown as WriteOutcome],
  ])('does not retry %s', async (_name, answer) => {
    const { adapter, sent } = script(answer)
    const expected = answer instanceof Error ? { error: answer } : { outcome: answer }
    expect(await send(adapter)).toEqual(expected)
    expect(sent).toHaveLength(1)
  })

  test('returns the last outcome after the given number of attempts', async () => {
    const last = failure('unavailable', { last: true })
    const { adapter, sent } = script(failure('unavailable'), failure('unavailable'), last, done)
    expect(await send(adapter, { attempts: 3 })).toEqual({ outcome: last })
    expect(sent).toHaveLength(3)
  })
})

describe('pauses', () => {
  afterEach(() => void vi.restoreAllMocks())

  test('grow exponentially with jitter, up to the maximum', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const { adapter, pauses } = script(failure('unavailable'))
    await send(adapter, { attempts: 6, firstDelayMs: 100, maxDelayMs: 400 })
    expect(pauses()).toEqual([50, 100, 200, 200, 200])
  })

  test('are at least what the server asks for, up to the maximum', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const { adapter, pauses } = script(
      failure('rate_limited', { retryAfterMs: 2_000 }),
      failure('unavailable', { retryAfterMs: 60_000 }),
      done,
    )
    await send(adapter, { maxDelayMs: 5_000 })
    expect(pauses()).toEqual([2_000, 5_000])
  })
})

describe('timeouts and aborts', () => {
  test('aborts an attempt that hangs and retries', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const adapter: WriteAdapter = (_, options) => {
      signals.push(options?.signal)
      return signals.length === 1 ? new Promise(() => {}) : Promise.resolve(done)
    }
    expect(await send(adapter, { timeoutMs: 1_000 })).toEqual({ outcome: done })
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, false])
  })

  test('the caller’s abort ends the current attempt', async () => {
    const caller = new AbortController()
    const adapter: WriteAdapter = () => new Promise(() => {})
    const sending = withRetries(adapter)(batch, { signal: caller.signal })
    caller.abort(new Error('closed'))
    await expect(sending).rejects.toThrow('closed')
  })

  test('the caller’s abort ends a pause', async () => {
    const caller = new AbortController()
    const { adapter, sent } = script(failure('unavailable'))
    const sending = withRetries(adapter)(batch, { signal: caller.signal })
    const ended = expect(sending).rejects.toThrow('closed')
    await vi.advanceTimersByTimeAsync(0)
    caller.abort(new Error('closed'))
    await ended
    await vi.runAllTimersAsync()
    expect(sent).toHaveLength(1)
  })

  test('leaves no timer behind', async () => {
    await withRetries(script(done).adapter)(batch)
    expect(vi.getTimerCount()).toBe(0)
  })
})
