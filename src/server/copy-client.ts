import type { ClientBase, Pool } from 'pg'
import { transaction } from './in-transaction.ts'
import { withClient } from './with-client.ts'

/**
 * Runs `work` on a connection that can COPY. COPY and pipelined queries do not go together: a
 * connection that pipelines does not as long as `work` has it. `pg` looks with each query anew.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function withCopyClient<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  return withClient(database, async (client) => {
    const queries = client as { pipeline?: boolean }
    if (!queries.pipeline) return work(client)
    queries.pipeline = false
    try {
      return await work(client)
    } finally {
      queries.pipeline = true
    }
  })
}

/**
 * Runs `work` in one transaction on a connection that can COPY.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function inCopyTransaction<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
  end: { readonly commit?: boolean } = {},
): Promise<Result> {
  return withCopyClient(database, (client) => transaction(client, () => work(client), end))
}
