import { SessionDbError } from '../errors.ts'
import type { ChatMessage, Principal } from '../schema/index.ts'
import { toWriteFailure, type WriteAdapter } from '../writes/index.ts'
import type { WriteLimits } from '../writes/limits.ts'
import { writeInMemory } from './memory-writes.ts'
import { databaseOf, type ShapeMock } from './shape-mock.ts'

export interface MemoryWriteAdapterOptions<P extends Principal = Principal> {
  /** The principal that writes. Default: the mock's. */
  readonly principal?: P
  /** The roles of messages that may be written, as in `createWriteHandler`. Default `['user']`. */
  readonly messageRoles?: readonly ChatMessage['role'][]
  /** Limits that differ from the store's defaults. */
  readonly limits?: Partial<WriteLimits>
}

/**
 * Creates a write adapter that applies batches in memory as the server's write handler does in Postgres,
 * under the mock's access rule: same results, same errors, same rows, same limits of rows and roles. The txid it returns is the one that the mock's
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
  {
    principal = mock.principal,
    messageRoles = ['user'],
    limits,
  }: MemoryWriteAdapterOptions<NoInfer<P>> = {},
): WriteAdapter {
  const context = { ...databaseOf(mock), principal, messageRoles, limits }
  return async (batch) => {
    if (context.isDown()) {
      throw new SessionDbError('unavailable', 'The connection of the mock is dropped.')
    }
    try {
      return writeInMemory(context, batch)
    } catch (error) {
      if (error instanceof SessionDbError) return toWriteFailure(error)
      throw error
    }
  }
}
