import { SessionDbError } from '../errors.ts'
import type { WriteAdapter, WriteAdapterOptions } from './adapter.ts'
import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure, isTransient, writeFailureSchema } from './errors.ts'
import type { WriteOutcome } from './result.ts'

/** How often and how patiently `withRetries` sends. */
export interface WriteRetryOptions {
  /** Sends in all, the first included. Default 4. */
  readonly attempts?: number
  /** The longest first pause, in ms; each later one may be twice as long. Default 300. */
  readonly firstDelayMs?: number
  /** No pause is longer, whatever the server asks for, in ms. Default 10,000. */
  readonly maxDelayMs?: number
  /** How long one attempt may take, in ms; the adapter's signal is aborted then. Default 35,000. */
  readonly timeoutMs?: number
}

/**
 * Sends a batch again, as it is and with the same id, while the server cannot be reached, is
 * overloaded or does not answer in time. The server applies it once, so that this is always safe.
 *
 * Pauses grow and are random up to their limit, so that clients do not come back all at once; one
 * that the server asks for (`details.retryAfterMs`) is kept. Any other failure, and a caller that
 * aborts, ends it at once. What is sent last decides.
 *
 * @param adapter any adapter, such as a bare server function.
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
    `The server did not answer within ${timeoutMs} ms. The write may or may not have been made: ` +
      'try again with the same batch id.',
  )
}

/** The least pause before another attempt, or undefined when none is to be made. */
function retryOf(answer: Answer): { readonly afterMs: number } | undefined {
  if ('failure' in answer && isNetworkError(answer.failure)) return { afterMs: 0 }
  const failure = failureIn(answer)
  if (failure === undefined || !isTransient(failure)) return undefined
  const afterMs = failure.details?.retryAfterMs
  return { afterMs: typeof afterMs === 'number' ? afterMs : 0 }
}

function failureIn(answer: Answer): SessionDbError | undefined {
  if ('outcome' in answer) {
    // An adapter may answer with anything; what is no outcome is refused later.
    const failure = writeFailureSchema.safeParse(answer.outcome)
    return failure.success ? fromWriteFailure(failure.data) : undefined
  }
  return answer.failure instanceof SessionDbError ? answer.failure : undefined
}

/** What `fetch` rejects with when there is no answer: a TypeError, in each engine's own words. */
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
