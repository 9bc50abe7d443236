import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { ignoreBreak } from '../connections.ts'
import { isUnprepared, refuseUnreachable, retryUnprepared } from './errors.ts'

/**
 * A pool of `pg` as the store uses it: every statement has a time limit, and statements are prepared
 * unless a pooler rejects that.
 *
 * The limit can't be set on a connection, because an app's other statements would get it too, and behind a
 * pooler in transaction mode another client's. So a statement is sent in a transaction that sets the
 * limit for itself, in the same round trip. Connections that have a limit are left alone: those of the
 * store's own pool that lead to Postgres itself, and those of a pool with the option `statement_timeout`.
 */
export interface PgPoolOptions {
  /** False to send all statements unprepared. */
  readonly prepare: boolean
  /** Time limit of a statement in ms; 0 for none. */
  readonly statementTimeoutMs: number
}

/** Returns the statement that begins a transaction whose statements are cancelled after a time. */
export function beginLimited(statementTimeoutMs: number, begin = 'BEGIN'): string {
  if (statementTimeoutMs === 0) return begin
  return `${begin}; SET LOCAL statement_timeout = ${statementTimeoutMs}`
}

/**
 * Wraps a pool. A statement is repeated unprepared after the error of a pooler. One in a transaction
 * fails, and the caller repeats the transaction.
 */
export function wrapPgPool(pool: Pool, { prepare, statementTimeoutMs }: PgPoolOptions): Pool {
  const preparation: Preparation = { enabled: prepare }
  const hasLimit = (client: PoolClient) =>
    statementTimeoutMs === 0 ||
    limitedClients.has(client) ||
    Boolean(Reflect.get(Object(pool.options), 'statement_timeout'))
  const named = (query: unknown) =>
    preparation.enabled ? (query as QueryConfig) : withoutName(query)

  /** Turns preparing off after an error of a pooler. */
  const noticing = (result: Promise<QueryResult>) =>
    result.catch((error: unknown) => {
      if (isUnprepared(error)) preparation.enabled = false
      throw error
    })

  async function queryOnce(query: QueryConfig): Promise<QueryResult> {
    const client = await pool.connect()
    client.on('error', ignoreBreak)
    let isBroken = false
    try {
      if (hasLimit(client)) return await client.query(named(query))
      return await queryLimited(client, named(query), statementTimeoutMs)
    } catch (error) {
      // pool.query would close the connection after any error, also after a refused write.
      isBroken = !isRefused(error)
      throw error
    } finally {
      client.off('error', ignoreBreak)
      client.release(isBroken)
    }
  }

  const wrapped = {
    async query(query: string | QueryConfig, values?: unknown[]) {
      const config = typeof query === 'string' ? { text: query, ...(values && { values }) } : query
      return retryUnprepared(() => noticing(queryOnce(config))).catch(refuseUnreachable)
    },
    async connect() {
      const client = await pool.connect()
      const begin = hasLimit(client) ? 'BEGIN' : beginLimited(statementTimeoutMs)
      return new Proxy(client, {
        get(target, property) {
          const value: unknown = Reflect.get(target, property, target)
          if (typeof value !== 'function') return value
          if (property !== 'query') return value.bind(target)
          return (query: unknown, ...rest: unknown[]) => {
            if (query === 'BEGIN') return Reflect.apply(value, target, [begin])
            // Not a string, which has no name, and not a COPY stream.
            const isStatement = typeof Reflect.get(Object(query), 'name') === 'string'
            if (!isStatement || rest.length > 0)
              return Reflect.apply(value, target, [query, ...rest])
            return noticing(target.query(named(query)))
          }
        },
        set: (target, property, value) => Reflect.set(target, property, value, target),
      })
    },
    end: () => pool.end(),
  }
  return wrapped as unknown as Pool
}

/** Sends a statement in a transaction of its own, in one round trip if the client can pipeline. */
async function queryLimited(
  client: PoolClient,
  query: QueryConfig,
  statementTimeoutMs: number,
): Promise<QueryResult> {
  const begin = beginLimited(statementTimeoutMs)
  const queries = client as { pipeline?: boolean }
  if (queries.pipeline === undefined) {
    await client.query(begin)
    const result = await client.query(query).catch(async (error: unknown) => {
      await client.query('ROLLBACK').catch(ignoreBreak)
      throw error
    })
    await client.query('COMMIT')
    return result
  }
  const wasPipelining = queries.pipeline
  queries.pipeline = true
  try {
    const sent = [client.query(begin), client.query(query), client.query('COMMIT')]
    // Waits for all of them, so that the connection is free. After a failure, COMMIT rolls back.
    const answers = await Promise.allSettled(sent)
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
    return (answers[1] as PromiseFulfilledResult<QueryResult>).value
  } finally {
    queries.pipeline = wasPipelining
  }
}

/** Returns whether Postgres refused a statement and the connection still works. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'severity') === 'ERROR'
}

/**
 * Whether statements are prepared on their connection. It is turned off for good by the first error
 * that only a pooler in transaction mode causes, such as PgBouncer before 1.21: each transaction runs on
 * another server connection, which lacks the statement or has it already.
 */
interface Preparation {
  enabled: boolean
}

function withoutName(query: unknown): QueryConfig {
  if (typeof Reflect.get(Object(query), 'name') !== 'string') return query as QueryConfig
  return { ...(query as QueryConfig), name: undefined }
}

/**
 * Creates a pool from a connection string. `pg` is loaded on first use, because an app with another
 * driver need not have it installed.
 *
 * @returns The methods of a pool used here: `query`, `connect` and `end`. They fail with `unavailable`
 *   when `pg` is not installed.
 */
export function createPgPool(connectionString: string, statementTimeoutMs: number): Pool {
  let opening: Promise<Pool> | undefined
  const opened = () => {
    opening ??= openPool(connectionString, statementTimeoutMs)
    return opening
  }
  const pool = {
    query: async (...args: Parameters<Pool['query']>) => (await opened()).query(...args),
    connect: async () => (await opened()).connect(),
    async end() {
      const pool = await opening?.catch(() => undefined)
      if (pool && !pool.ending) await pool.end()
    },
  }
  return pool as unknown as Pool
}

async function openPool(connectionString: string, statementTimeoutMs: number): Promise<Pool> {
  const { Pool } = await import('pg').catch(refuseMissing)
  const pool = new Pool({ connectionString, pipeline: true })
  // The pool replaces an idle connection that breaks. Without a listener it would end the process.
  pool.on('error', ignoreBreak)
  // A connection that the server ends while it is handed out briefly has neither the pool's listener
  // nor ours.
  pool.on('connect', (client) => {
    client.on('error', ignoreBreak)
    if (statementTimeoutMs > 0) limitConnection(client, statementTimeoutMs)
  })
  return pool
}

/** Connections whose statements have a limit. */
const limitedClients = new WeakSet<object>()

/**
 * Sets the limit of a new connection, unless it leads to a pooler, which announces another process id than
 * the server's. It is sent before the first statement, without waiting. A startup parameter would fail on
 * PgBouncer.
 */
function limitConnection(client: PoolClient, statementTimeoutMs: number): void {
  const processId: unknown = Reflect.get(client, 'processID')
  const text = `
    SELECT set_config('statement_timeout', $1, false) WHERE pg_backend_pid()::text = $2`
  client.query(text, [String(statementTimeoutMs), String(processId)]).then(({ rows }) => {
    if (rows.length === 1) limitedClients.add(client)
  }, ignoreBreak)
}

function refuseMissing(cause: unknown): never {
  throw new SessionDbError(
    'unavailable',
    'A connection string needs the package pg. Run `npm install pg`, or pass the sql of postgres.js or a Kysely instance as `database`.',
    { cause },
  )
}
