import { Socket } from 'node:net'
import { type Client, type ClientConfig, Pool } from 'pg'
import { createDirectSocket } from './direct-socket.ts'

/** Values as Postgres prints them: the stream and queries must give the same texts. */
const rawTypes = { getTypeParser: () => (value: unknown) => value }

/** Output settings that the engine uses; an app's own defaults must not change what clients read. */
const settings = {
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  IntervalStyle: 'iso_8601',
  extra_float_digits: '1',
  bytea_output: 'hex',
}

/**
 * Client settings for a database url. Its own `options` come first, ours last.
 *
 * @param databaseUrl - `postgres://…`
 * @example
 * new Client(connectionConfig(databaseUrl))
 */
export function connectionConfig(databaseUrl: string): ClientConfig {
  const url = new URL(databaseUrl)
  const own = url.searchParams.get('options') ?? ''
  url.searchParams.delete('options')
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  return {
    connectionString: url.href,
    options: [own, ...ours].filter((part) => part !== '').join(' '),
    types: rawTypes as NonNullable<ClientConfig['types']>,
    application_name: 'session-db shape server',
  }
}

/**
 * A pool of connections for snapshots and queries.
 *
 * @param onError - told of idle connections that break; they are replaced.
 * @param max - how many there are at most.
 */
export function createPool(databaseUrl: string, onError: (error: Error) => void, max = 10): Pool {
  // Some stay open: a query of a few rows takes less time than a new connection. A lone one is there for speed alone.
  const min = Math.min(max, 3)
  const pool = new Pool({
    ...connectionConfig(databaseUrl),
    stream: openSocket,
    max,
    min,
    idleTimeoutMillis: 10_000,
  })
  // Without a listener a broken connection would end the process.
  pool.on('error', onError)
  return pool
}

/** TLS reads through a socket of its own. */
function openSocket(config?: { ssl?: unknown }): Socket {
  return config?.ssl ? new Socket() : createDirectSocket()
}

/** Runs `work` on one connection of the pool; a connection that failed is not used again. */
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

/** The SQLSTATE of a Postgres error. */
export function sqlState(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code
}
