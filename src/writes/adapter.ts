import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure, SessionDbError, toSessionDbError } from './errors.ts'
import { type WriteOutcome, type WriteResult, writeOutcomeSchema } from './result.ts'

/**
 * How a browser hands a batch to the server: one function, usually a server function.
 * It resolves to the server's answer (a result or a failure) or rejects.
 *
 * @example
 * const writeAdapter: WriteAdapter = (batch) => writeBatch({ data: batch })
 */
export type WriteAdapter = (
  batch: WriteBatchInput,
  options?: WriteAdapterOptions,
) => Promise<WriteOutcome>

/** What the caller of an adapter has to say; a bare server function may ignore it. */
export interface WriteAdapterOptions {
  readonly signal?: AbortSignal
  /**
   * Headers of the latest sign-in. A caller that gives them answers a 401 itself, by one refresh
   * for streams and writes together: the adapter must not refresh on its own.
   */
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a batch and returns the result; every failure is a `SessionDbError`. */
export async function sendBatch(
  adapter: WriteAdapter,
  batch: WriteBatchInput,
): Promise<WriteResult> {
  const outcome = writeOutcomeSchema.safeParse(await callAdapter(adapter, batch))
  if (!outcome.success) {
    throw new SessionDbError(
      'unavailable',
      'The write adapter answered with neither a result nor an error.',
    )
  }
  if ('error' in outcome.data) throw fromWriteFailure(outcome.data)
  return outcome.data
}

async function callAdapter(adapter: WriteAdapter, batch: WriteBatchInput): Promise<WriteOutcome> {
  try {
    return await adapter(batch)
  } catch (error) {
    throw toSessionDbError(error, 'The write did not reach the server. Try again.')
  }
}
