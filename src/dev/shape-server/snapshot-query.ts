import type { Pool } from 'pg'
import { parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import { withConnection } from './connection.ts'

/** Runs a query on one connection. */
export type Querier = Pick<Pool, 'query'>

const lockTimeoutMs = 5000

/**
 * Runs `work` in a transaction whose queries all see one snapshot, and tells which.
 *
 * @example
 * await inSnapshot(pool, async (client, bounds) => client.query('SELECT …'))
 */
export async function inSnapshot<T>(
  pool: Pool,
  work: (client: Querier, bounds: SnapshotBounds) => Promise<T>,
): Promise<T> {
  return withConnection(pool, async (client) => {
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = ${lockTimeoutMs}`,
    )
    const { rows } = await client.query<{ snapshot: string }>(
      'SELECT pg_current_snapshot() AS snapshot',
    )
    const bounds = parseSnapshot(rows[0]?.snapshot ?? '')
    const result = await work(client, bounds)
    await client.query('COMMIT')
    return result
  })
}
