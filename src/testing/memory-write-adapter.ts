import { SessionDbError } from '../errors.ts'
import type { Principal } from '../schema/index.ts'
import { checkPrincipal } from '../server/http/authenticate.ts'
import { reusedBatchIdError, takenError } from '../server/store/errors.ts'
import {
  parseWriteBatch,
  toWriteFailure,
  type WriteAdapter,
  type WriteResult,
} from '../writes/index.ts'
import { checkLimits, defaultLimits } from '../writes/limits.ts'
import { type AppliedBatches, databaseOf, defaultPrincipal } from './create-shape-mock.ts'
import { ConstraintViolation } from './database/constraints.ts'
import type { MemoryDatabase } from './database/memory-database.ts'
import type { ShapeMock } from './shape-mock.ts'
import { applyMutation } from './writes/apply-mutation.ts'

export interface MemoryWriteAdapterOptions {
  /** Who writes. Default `defaultPrincipal`. */
  readonly principal?: Principal
}

/**
 * Creates a write adapter that does in memory what the server's store does in Postgres, under the
 * default policy: the same answers and errors, the same rows afterwards. The txid it answers with is
 * the one that the mock's streams carry.
 *
 * @throws SessionDbError `invalid` when `mock` is none
 * @example
 * const db = createSessionCollections({
 *   electricUrl: 'http://app.test/api/shapes',
 *   writeAdapter: createMemoryWriteAdapter(mock, { principal: { tenantId: 'acme', userId: 'ann' } }),
 * })
 */
export function createMemoryWriteAdapter(
  mock: ShapeMock,
  { principal = defaultPrincipal }: MemoryWriteAdapterOptions = {},
): WriteAdapter {
  const { database, applied } = databaseOf(mock)
  return async (batch) => {
    try {
      return write(database, applied, principal, batch)
    } catch (error) {
      if (isExpected(error)) return toWriteFailure(toSessionDbError(error))
      throw error
    }
  }
}

function write(
  database: MemoryDatabase,
  applied: AppliedBatches,
  principal: Principal,
  batch: unknown,
): WriteResult {
  checkPrincipal(principal)
  const { id, mutations } = parseWriteBatch(batch)
  const json = JSON.stringify(mutations)
  checkLimits(mutations, json, defaultLimits)
  const key = JSON.stringify([principal.tenantId, id])
  const request = JSON.stringify([principal.userId, json])
  // The numbers of deltas tell whether they have been sent before, not the batch.
  const isAppend = mutations.length === 1 && mutations[0]?.type === 'append'
  const earlier = isAppend ? undefined : applied.get(key)
  if (earlier) {
    if (earlier.request === request) return earlier.result
    throw reusedBatchIdError()
  }
  const { result: done, txid } = database.transaction((transaction) =>
    mutations.map((mutation, index) => applyMutation(transaction, principal, mutation, index)),
  )
  const result = { batchId: id, txid, mutations: done }
  if (!isAppend) applied.set(key, { request, result })
  return result
}

function isExpected(error: unknown): boolean {
  return error instanceof SessionDbError || error instanceof ConstraintViolation
}

function toSessionDbError(error: unknown): unknown {
  if (!(error instanceof ConstraintViolation)) return error
  return takenError(error.constraint === 'seq')
}
