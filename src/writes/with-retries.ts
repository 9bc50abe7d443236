import { SessionDbError } from '../errors.ts'
import type { WriteAdapter, WriteAdapterOptions } from './adapter.ts'
import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure, isTransient, writeFailureSchema } from './errors.ts'
import type { WriteOutcome } from './result.ts'

/** Options of `withRetries`. */
export interface WriteRetryOptions {
  /** The number of attempts, including the first. Default 4. */
  readonly attempts?: number
  /** The maximum pause after the first attempt, in ms; it doubles with each attempt. Default 300. */
  readonly firstDelayMs?: number
  /** The maximum pause, in ms, even if the server asks for a longer one. Default 10,000. */
  readonly maxDelayMs?: number
  /** The timeout of one attempt, in ms, after which the adapter's signal is aborted. Default 35,000. */
  readonly timeoutMs?: number
}

/**
 * Wraps an adapter so that a batch is retried while the server can't be reached, is overloaded or doesn't
 * respond in time. Retries send the same batch id, and the server applies a batch once, so they are safe.
 *
 * Pauses grow exponentially with full jitter, so that clients don't all return at the same moment; a pause that
 * the server asks for (`details.retryAfterMs`) is the minimum. Any other failure and an abort by the caller end
 * the retries immediately. The last attempt's outcome is returned.
 *
 * @param adapter any adapter, such as a plain server function
 * @example
 * const writeAdapter = withRetries((batch) => writeBatch({ data: batch }), { attempts: 6 })
 */
export function withRetries(adapter: WriteAdapter, options: WriteRetryOptions = {}): WriteAdapter {
  const { attempts = 4, firstDelayMs = 300, maxDelayMs = 10_000, timeoutMs = 35_000 } = options
  return async (batch, given = {}) => {
    const { signal } = given
    for (let attempt = 1; ; attempt += 1) {
      signal?.throwIfAborted()
      const answer = await settled(adapter, batch, given, timeoutMs)
      const retry = attempt < attempts && !signal?.aborted ? retryOf(answer) : undefined
      if (retry === undefined) {
        if ('outcome' in answer) return answer.outcome
        throw answer.failure
      }
      const longest = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1))
      const pause = Math.max(Math.random() * longest, Math.min(maxDelayMs, retry.afterMs))
      await delay(pause, signal)
    }
  }
}

type Answer = { readonly outcome: WriteOutcome } | { readonly failure: unknown }

async function settled(
  adapter: WriteAdapter,
  batch: WriteBatchInput,
  options: WriteAdapterOptions,
  timeoutMs: number,
): Promise<Answer> {
  const caller = options.signal
  const attempt = new AbortController()
  let stop = () => {}
  const cut = new Promise<never>((_, reject) => {
    const end = (reason: unknown) => {
      attempt.abort(reason)
      reject(reason)
    }
    const timer = setTimeout(() => end(unanswered(timeoutMs)), timeoutMs)
    const onAbort = () => end(caller?.reason)
    caller?.addEventListener('abort', onAbort, { once: true })
    stop = () => {
      clearTimeout(timer)
      caller?.removeEventListener('abort', onAbort)
    }
  })
  try {
    const sending = adapter(batch, { ...options, signal: attempt.signal })
    return { outcome: await Promise.race([sending, cut]) }
  } catch (failure) {
    return { failure }
  } finally {
    stop()
  }
}

function unanswered(timeoutMs: number): SessionDbError {
  return new SessionDbError(
    'unavailable',
    `The server did not respond within ${timeoutMs} ms. The write may or may not have been applied: ` +
      'try again with the same batch id.',
  )
}

/** Returns the minimum pause before the next attempt, or undefined if the outcome is final. */
function retryOf(answer: Answer): { readonly afterMs: number } | undefined {
  if ('failure' in answer && isNetworkError(answer.failure)) return { afterMs: 0 }
  const failure = failureIn(answer)
  if (failure === undefined || !isTransient(failure)) return undefined
  const afterMs = failure.details?.retryAfterMs
  return { afterMs: typeof afterMs === 'number' ? afterMs : 0 }
}

function failureIn(answer: Answer): SessionDbError | undefined {
  if ('outcome' in answer) {
    // An adapter may resolve to anything; `sendBatch` refuses what isn't an outcome.
    const failure = writeFailureSchema.safeParse(answer.outcome)
    return failure.success ? fromWriteFailure(failure.data) : undefined
  }
  return answer.failure instanceof SessionDbError ? answer.failure : undefined
}

/** `fetch` rejects with a TypeError if there is no response; the message differs by engine. */
function isNetworkError(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    /fetch|network|load failed|connection|terminated/i.test(error.message)
  )
}

function delay(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
