import { type Client, type ClientConfig, Pool } from 'pg'
import { parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'

/** One connection, or a pool. */
export type Querier = Pick<Pool, 'query'>

/** Keeps values as Postgres prints them: the stream and queries must give the same texts. */
const rawTypes = { getTypeParser: () => (value: unknown) => value }

/** The engine's output settings. The defaults of a database or role must not change what clients read. */
const OUTPUT_SETTINGS = {
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  IntervalStyle: 'iso_8601',
  extra_float_digits: '1',
  bytea_output: 'hex',
}

/** Returns the client settings for a database URL. The URL's own `options` come first, ours override them. */
export function connectionConfig(database: string): ClientConfig {
  const url = new URL(database)
  const own = url.searchParams.get('options') ?? ''
  url.searchParams.delete('options')
  const ours = Object.entries(OUTPUT_SETTINGS).map(([name, value]) => `-c ${name}=${value}`)
  return {
    connectionString: url.href,
    options: [own, ...ours].filter((part) => part !== '').join(' '),
    types: rawTypes as NonNullable<ClientConfig['types']>,
    application_name: 'session-db shape server',
  }
}

/**
 * Creates a pool for snapshots and queries.
 *
 * @param onError called when an idle connection breaks; the pool replaces it
 */
export function createPool(database: string, onError: (error: Error) => void, max = 10): Pool {
  // Some connections stay open, because opening one takes longer than a query of a few rows.
  const min = Math.min(max, 3)
  const pool = new Pool({ ...connectionConfig(database), max, min, idleTimeoutMillis: 10_000 })
  // Without a listener a broken connection would end the process.
  pool.on('error', onError)
  return pool
}

/** Runs `work` on one connection of the pool. A connection on which it failed is closed. */
export async function withConnection<T>(
  pool: Pool,
  work: (client: { query: Client['query'] }) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    const result = await work(client)
    client.release()
    return result
  } catch (error) {
    client.release(true)
    throw error
  }
}

const LOCK_TIMEOUT_MS = 5000

/** Runs `work` in a transaction whose queries all see one snapshot, and passes its bounds. */
export async function inSnapshot<T>(
  pool: Pool,
  work: (client: Querier, bounds: SnapshotBounds) => Promise<T>,
): Promise<T> {
  return withConnection(pool, async (client) => {
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`,
    )
    const { rows } = await client.query<{ snapshot: string }>(
      'SELECT pg_current_snapshot() AS snapshot',
    )
    const result = await work(client, parseSnapshot(rows[0]?.snapshot ?? ''))
    await client.query('COMMIT')
    return result
  })
}

/** Returns the SQLSTATE of a Postgres error. */
export function sqlState(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}
