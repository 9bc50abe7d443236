import type { ClientBase, Pool } from 'pg'
import { withClient } from './with-client.ts'

/** What a transaction ends with: true for COMMIT, false for a rehearsal that is taken back. */
interface TransactionEnd {
  readonly commit?: boolean
}

/** Runs `work` between BEGIN and the end on a connection. What it throws rolls everything back. */
export async function transaction<Result>(
  client: ClientBase,
  work: () => Promise<Result>,
  { commit = true }: TransactionEnd = {},
): Promise<Result> {
  await client.query('BEGIN')
  try {
    const result = await work()
    await client.query(commit ? 'COMMIT' : 'ROLLBACK')
    return result
  } catch (error) {
    // Without a connection there is nothing to roll back, and the first error says more.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/**
 * Runs `work` in one transaction on a connection of its own.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function inTransaction<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
  end?: TransactionEnd,
): Promise<Result> {
  return withClient(database, (client) => transaction(client, () => work(client), end))
}
