import type { WriteBatchInput } from './batch.ts'
import { fromWriteFailure, SessionDbError, toSessionDbError } from './errors.ts'
import {
  type WriteOutcome,
  type WriteResult,
  writeOutcomeSchema,
  writeOutcomesSchema,
} from './result.ts'

/**
 * Sends a batch to the server. Usually it calls a server function. It resolves to the server's result or
 * failure, or rejects if there was no response.
 *
 * @example
 * const writeAdapter: WriteAdapter = (batch) => writeBatch({ data: batch })
 */
export interface WriteAdapter {
  (batch: WriteBatchInput, options?: WriteAdapterOptions): Promise<WriteOutcome>
  /**
   * Sends several batches in one request and returns their outcomes in order. Bursts of writes use it if it
   * exists. The server must apply the batches in order, each as its own transaction: `runWrites` does.
   *
   * @example
   * const writeAdapter: WriteAdapter = Object.assign(
   *   (batch: WriteBatchInput) => writeBatch({ data: batch }),
   *   { sendAll: (batches: readonly WriteBatchInput[]) => writeBatches({ data: batches }) },
   * )
   */
  readonly sendAll?: (
    batches: readonly WriteBatchInput[],
    options?: WriteAdapterOptions,
  ) => Promise<readonly WriteOutcome[]>
}

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

/**
 * Sends several batches in one request.
 *
 * @returns for each batch its result or the server's reason for refusing it
 * @throws SessionDbError when the request as a whole failed, `invalid` when the server takes no list of batches
 */
export async function sendBatches(
  { sendAll }: WriteAdapter,
  batches: readonly WriteBatchInput[],
): Promise<readonly (WriteResult | SessionDbError)[]> {
  let answer: unknown
  try {
    answer = await sendAll?.(batches)
  } catch (error) {
    throw toSessionDbError(error, 'The writes did not reach the server.')
  }
  const outcomes = writeOutcomesSchema.safeParse(answer)
  if (!outcomes.success || outcomes.data.length !== batches.length) {
    throw new SessionDbError(
      'invalid',
      'sendAll did not return one outcome per batch. Return what runWrites returns.',
    )
  }
  return outcomes.data.map((outcome) => ('error' in outcome ? fromWriteFailure(outcome) : outcome))
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
