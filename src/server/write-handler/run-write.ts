import type { Principal } from '../../schema/principal.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import { SessionDbError, toWriteFailure } from '../../writes/errors.ts'
import type { WriteOutcome, WriteResult } from '../../writes/result.ts'

/** The part of a session store that applies batches. */
export interface BatchWriter {
  write(principal: Principal, batch: WriteBatchInput): Promise<WriteResult>
}

/** Hears of errors that the client is only told of as `unavailable`. What it throws is ignored. */
export type ErrorLogger = (error: unknown, principal: Principal | null) => void

/**
 * Applies a batch and never throws: a server function can return what it gets as it is.
 *
 * @param batch what the client sent, not yet validated.
 * @example
 * const write = createServerFn({ method: 'POST' })
 *   .validator((batch: WriteBatchInput) => batch)
 *   .middleware([signedIn])
 *   .handler(({ data, context }) => runWrite(store, context.principal, data))
 */
export async function runWrite(
  store: BatchWriter,
  principal: Principal,
  batch: WriteBatchInput,
  options: { readonly logger?: ErrorLogger | undefined } = {},
): Promise<WriteOutcome> {
  try {
    return await store.write(principal, batch)
  } catch (error) {
    if (hidesItsCause(error)) report(options.logger, error, principal)
    return toWriteFailure(error)
  }
}

/** Whether the client is told less than there is to know: bugs, and a database that fails. */
export function hidesItsCause(error: unknown): boolean {
  return !(error instanceof SessionDbError) || error.cause !== undefined
}

/** Tells the logger, whose own failure must not change the answer. */
export function report(
  logger: ErrorLogger | undefined,
  error: unknown,
  principal: Principal | null,
): void {
  try {
    logger?.(error, principal)
  } catch {
    // There is nobody left to tell.
  }
}
