import type { ClientBase, Pool } from 'pg'
import { withClient } from './with-client.ts'

/**
 * Runs `work` in one transaction on one connection. What it throws rolls everything back.
 *
 * @param options.commit false takes everything back at the end, too: a rehearsal.
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function inTransaction<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
  { commit = true }: { readonly commit?: boolean } = {},
): Promise<Result> {
  return withClient(database, async (client) => {
    await client.query('BEGIN')
    try {
      const result = await work(client)
      await client.query(commit ? 'COMMIT' : 'ROLLBACK')
      return result
    } catch (error) {
      // Without a connection there is nothing to roll back, and the first error says more.
      await client.query('ROLLBACK').catch(() => undefined)
      throw error
    }
  })
}
