import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure, SessionDbError, toSessionDbError } from './errors.ts'
import { type WriteOutcome, type WriteResult, writeOutcomeSchema } from './result.ts'

/**
 * Sends a batch to the server. Usually it calls a server function. It resolves to the server's result or
 * failure, or rejects if there was no response.
 *
 * @example
 * const writeAdapter: WriteAdapter = (batch) => writeBatch({ data: batch })
 */
export type WriteAdapter = (
  batch: WriteBatchInput,
  options?: WriteAdapterOptions,
) => Promise<WriteOutcome>

/** Options that the caller passes to an adapter. A plain server function may ignore them. */
export interface WriteAdapterOptions {
  readonly signal?: AbortSignal
  /**
   * Headers of the latest sign-in. If they are given, the caller handles a 401 itself, with one refresh for
   * streams and writes; the adapter must not refresh.
   */
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a batch and returns the result. Every failure is thrown as a `SessionDbError`. */
export async function sendBatch(
  adapter: WriteAdapter,
  batch: WriteBatchInput,
): Promise<WriteResult> {
  const outcome = writeOutcomeSchema.safeParse(await callAdapter(adapter, batch))
  if (!outcome.success) {
    throw new SessionDbError(
      'unavailable',
      'The write adapter resolved to neither a result nor a failure. Return what createWriteHandler or store.write returns.',
    )
  }
  if ('error' in outcome.data) throw fromWriteFailure(outcome.data)
  return outcome.data
}

async function callAdapter(adapter: WriteAdapter, batch: WriteBatchInput): Promise<WriteOutcome> {
  try {
    return await adapter(batch)
  } catch (error) {
    throw toSessionDbError(
      error,
      'The write did not reach the server. Check the connection, then try again.',
    )
  }
}
