import type { PoolClient, QueryConfig } from 'pg'

/**
 * Sends queries on one connection and yields their rows in order, failing at the first that failed.
 * With `pipeline: true` in the pool's options all are sent at once, in one round trip; otherwise one
 * follows another, and those after the point where the caller stops are not sent.
 */
export async function* sendQueries(
  client: PoolClient,
  queries: readonly (string | QueryConfig)[],
): AsyncGenerator<unknown[]> {
  if (!client.pipeline) {
    for (const query of queries) yield (await client.query(query)).rows
    return
  }
  const answers = await Promise.allSettled(queries.map((query) => client.query(query)))
  for (const answer of answers) {
    if (answer.status === 'rejected') throw answer.reason
    yield answer.value.rows
  }
}

/** Like `sendQueries`, for when all the rows are wanted. */
export async function collectRows(
  client: PoolClient,
  queries: readonly (string | QueryConfig)[],
): Promise<unknown[][]> {
  const rows: unknown[][] = []
  for await (const answer of sendQueries(client, queries)) rows.push(answer)
  return rows
}
