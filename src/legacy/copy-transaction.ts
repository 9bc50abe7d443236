import type { ClientBase, Pool } from 'pg'
import { inTransaction, transaction } from '../server/in-transaction.ts'
import { ignoreBreak } from '../server/with-client.ts'

/**
 * Runs `work` in one transaction on a connection that can COPY. COPY and pipelined queries do not go
 * together: a pool that pipelines lends its settings to a connection that does not.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export async function inCopyTransaction<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
  { commit = true }: { readonly commit?: boolean } = {},
): Promise<Result> {
  if (typeof database === 'string' || !database.options.pipeline) {
    return inTransaction(database, work, { commit })
  }
  const { Client } = await import('pg')
  const client = new Client({ ...database.options, pipeline: false })
  client.on('error', ignoreBreak)
  await client.connect()
  try {
    return await transaction(client, () => work(client), { commit })
  } finally {
    await client.end()
  }
}
