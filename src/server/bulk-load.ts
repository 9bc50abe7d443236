import type { ClientBase } from 'pg'
import { COUNTED } from './store/plans.ts'

/**
 * Inserts messages without counting them for the rest of the transaction. The caller writes the
 * threads with their final counts.
 */
export async function bulkLoad(client: ClientBase): Promise<void> {
  await client.query(`SELECT ${COUNTED}`)
}
