import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../errors.ts'
import { checkDatabaseUrl, explainConnectionError } from './database-failure.ts'

/**
 * Runs `work` on one connection, from the pool or opened from a connection string for this call.
 *
 * @throws SessionDbError `invalid` for a malformed connection string, `unavailable` when the database
 * cannot be reached.
 */
export async function withClient<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  if (typeof database !== 'string') {
    const client = await database.connect().catch((error) => refuseUnreachable(error))
    client.on('error', ignoreBreak)
    try {
      return await work(client)
    } finally {
      client.off('error', ignoreBreak)
      client.release()
    }
  }
  checkDatabaseUrl(database)
  const { Client } = await import('pg')
  const client = new Client({ connectionString: database })
  client.on('error', ignoreBreak)
  const { host, port } = client
  await client.connect().catch((error) => refuseUnreachable(error, `${host}:${port}`))
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/**
 * Listens for the `error` event of a connection that breaks between two queries, which would otherwise
 * end the process. The next query fails instead.
 */
export function ignoreBreak(): void {}

function refuseUnreachable(cause: unknown, host?: string): never {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
  throw new SessionDbError(
    'unavailable',
    explainConnectionError(cause, host) ??
      `Cannot connect to ${host ?? 'the database'} (${reason}). Check DATABASE_URL, and that Postgres is running.`,
    { cause },
  )
}

interface TransactionEnd {
  /** False for a dry run, which is rolled back. Default true. */
  readonly commit?: boolean
}

/** Runs `work` in a transaction on a connection. An error rolls it back. */
export async function transaction<T>(
  client: ClientBase,
  work: () => Promise<T>,
  { commit = true }: TransactionEnd = {},
): Promise<T> {
  await client.query('BEGIN')
  try {
    const result = await work()
    await client.query(commit ? 'COMMIT' : 'ROLLBACK')
    return result
  } catch (error) {
    // On a broken connection there is nothing to roll back, and the first error is the useful one.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/**
 * Runs `work` in a transaction on a separate connection.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function inTransaction<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
  end?: TransactionEnd,
): Promise<T> {
  return withClient(database, (client) => transaction(client, () => work(client), end))
}

/**
 * Runs `work` on a connection that can COPY. COPY fails on a pipelining connection, so pipelining is
 * off while `work` runs; `pg` checks the flag on each query.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function withCopyClient<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
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
 * Runs `work` in a transaction on a connection that can COPY.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 */
export function inCopyTransaction<T>(
  database: string | Pool,
  work: (client: ClientBase) => Promise<T>,
  end?: TransactionEnd,
): Promise<T> {
  return withCopyClient(database, (client) => transaction(client, () => work(client), end))
}
