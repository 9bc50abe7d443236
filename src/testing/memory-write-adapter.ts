import { SessionDbError } from '../errors.ts'
import type { Principal } from '../schema/index.ts'
import { toWriteFailure, type WriteAdapter } from '../writes/index.ts'
import { writeInMemory } from './memory-writes.ts'
import { databaseOf, type ShapeMock } from './shape-mock.ts'

export interface MemoryWriteAdapterOptions<P extends Principal = Principal> {
  /** The principal that writes. Default: the mock's. */
  readonly principal?: P
}

/**
 * Creates a write adapter that applies batches in memory as the server's store does in Postgres, under
 * the mock's access rule: same results, same errors, same rows. The txid it returns is the one that the mock's
 * streams carry.
 *
 * @throws SessionDbError `invalid` if `mock` wasn't created by `createShapeMock`
 * @example
 * const db = createSessionCollections({
 *   electricUrl: 'http://app.test/api/shapes',
 *   writeAdapter: createMemoryWriteAdapter(mock, { principal: { tenantId: 'acme', userId: 'ann' } }),
 * })
 */
export function createMemoryWriteAdapter<P extends Principal = Principal>(
  mock: ShapeMock<P>,
  { principal = mock.principal }: MemoryWriteAdapterOptions<NoInfer<P>> = {},
): WriteAdapter {
  const context = { ...databaseOf(mock), principal }
  return async (batch) => {
    try {
      return writeInMemory(context, batch)
    } catch (error) {
      if (error instanceof SessionDbError) return toWriteFailure(error)
      throw error
    }
  }
}
