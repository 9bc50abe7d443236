import type { ClientBase, Pool } from 'pg'
import { transaction } from './in-transaction.ts'
import { ignoreBreak, withClient } from './with-client.ts'

/**
 * Runs `work` on a connection that can COPY. COPY and pipelined queries do not go together: a pool
 * that pipelines lends its settings to a connection that does not.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export async function withCopyClient<Result>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  if (typeof database === 'string' || !database.options.pipeline) return withClient(database, work)
  const { Client } = await import('pg')
  const client = new Client({ ...database.options, pipeline: false })
  client.on('error', ignoreBreak)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
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
