import type { ClientBase } from 'pg'
import { SessionDbError } from '../errors.ts'

/**
 * For the rest of the transaction messages are inserted without being counted in their threads: who
 * calls this writes the counts (migration 0005).
 *
 * @throws SessionDbError `unavailable` when the database lacks that migration: messages would be
 * counted twice.
 */
export async function bulkLoad(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ ready: boolean }>(
    `SELECT EXISTS (SELECT FROM session_db_migrations WHERE name = '0005-bulk-load') AS ready`,
  )
  if (rows[0]?.ready !== true) {
    throw new SessionDbError(
      'unavailable',
      'The database is older than this library. Run session-db migrate first.',
    )
  }
  await client.query(`SET LOCAL session_db.counted = 'on'`)
}
