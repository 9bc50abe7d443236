import { CompiledQuery, type Kysely } from 'kysely'
import type { Pool, PoolClient, QueryConfig } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { ignoreBreak } from '../connections.ts'
import { checkDatabaseUrl } from '../database-failure.ts'
import { isUnprepared, retryUnprepared } from './errors.ts'
import type { Query } from './prepared-statements.ts'

/** Rows as objects. Statements name their columns in lower case, which all drivers keep. */
export type Rows = readonly object[]

/** A connection held for a transaction. */
export interface DriverConnection {
  /**
   * Sends queries and yields the rows of each in order, failing at the first one that failed. A driver
   * that can pipeline sends all of them in one round trip. Any other stops when the caller does.
   */
  send(queries: readonly Query[]): AsyncIterable<Rows>
}

/** Sends statements to Postgres. */
export interface Driver {
  /** Runs one statement as one transaction, in one round trip. */
  run(query: Query): Promise<Rows>
  /** Holds a connection while `work` runs. If `work` throws, the connection is closed, not reused. */
  connect<T>(work: (connection: DriverConnection) => Promise<T>): Promise<T>
}

/** A statement without values, sent unprepared. */
export function plainQuery(text: string): Query {
  return { name: undefined, text, values: [] }
}

/** Rolls a failed transaction back. Returns false when the connection is broken. */
export async function rollBack(connection: DriverConnection): Promise<boolean> {
  try {
    await collect(connection, [plainQuery('ROLLBACK')])
    return true
  } catch {
    return false
  }
}

/** Sends queries and returns the rows of all of them. */
export async function collect(
  connection: DriverConnection,
  queries: readonly Query[],
): Promise<Rows[]> {
  const rows: Rows[] = []
  for await (const answer of connection.send(queries)) rows.push(answer)
  return rows
}

/** A connection string, or a client that the app already has. */
export type StoreDatabase = string | Pool | PostgresJs | AnyKysely

/** A Kysely instance over any Postgres dialect, whatever tables it is typed with. */
// biome-ignore lint/suspicious/noExplicitAny: Kysely is invariant in its tables and has no other name for "any".
export type AnyKysely = Kysely<any>

/** The part of postgres.js that the store uses, so that its types need not be installed. */
export interface PostgresJs extends PostgresJsQueries {
  readonly options?: { readonly prepare?: boolean }
  reserve(): Promise<PostgresJsQueries & { release(): void }>
}

interface PostgresJsQueries {
  unsafe(
    query: string,
    parameters?: unknown[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<Rows>
}

/** A store's access to its database. */
export interface OpenedDatabase {
  readonly driver: Driver
  /**
   * For code that is written for `pg` alone. Over another driver it runs single statements and has no
   * transactions.
   */
  readonly pool: Pool
  /** Ends the pool that was created here. */
  close(): Promise<void>
}

/**
 * Whether statements are prepared on their connection. It is turned off for good by the first error
 * that only a pooler in transaction mode causes, such as PgBouncer before 1.21: each transaction runs on
 * another server connection, which lacks the statement or has it already.
 */
interface Preparation {
  enabled: boolean
}

/** Turns preparing off after an error of a pooler. Returns whether the statement can be retried. */
function withoutPreparing(preparation: Preparation, error: unknown): boolean {
  if (!isUnprepared(error)) return false
  preparation.enabled = false
  return true
}

/**
 * Selects the driver for a database. It looks at the methods of the client and not at its class,
 * because an app may have another copy of the package.
 *
 * @param options.prepare False to send all statements unprepared.
 * @param options.statementTimeoutMs The timeout of statements on connections that are opened here.
 * @throws SessionDbError `invalid` for a malformed connection string, or an unknown kind of client.
 */
export function openDatabase(
  database: StoreDatabase,
  options: { readonly prepare?: boolean | undefined; readonly statementTimeoutMs: number },
): OpenedDatabase {
  const preparation: Preparation = { enabled: options.prepare ?? true }
  if (typeof database === 'string' || database === undefined) {
    checkDatabaseUrl(database)
    const pool = createPool(database, options.statementTimeoutMs)
    return { ...openPg(pool, preparation), close: () => pool.end() }
  }
  const close = async () => {}
  if (has(database, 'executeQuery', 'connection')) {
    return { ...withPool(createKyselyDriver(database as AnyKysely)), close }
  }
  if (has(database, 'unsafe', 'reserve')) {
    return { ...withPool(createPostgresJsDriver(database as PostgresJs, options.prepare)), close }
  }
  if (has(database, 'query', 'connect')) {
    return { ...openPg(database as Pool, preparation), close }
  }
  throw new SessionDbError(
    'invalid',
    'Unknown kind of `database`. Pass a connection string, a Pool of pg, the sql of postgres.js, or a Kysely instance.',
  )
}

function has(client: object, ...methods: string[]): boolean {
  return methods.every((method) => typeof Reflect.get(Object(client), method) === 'function')
}

function withPool(driver: Driver): Pick<OpenedDatabase, 'driver' | 'pool'> {
  const pool = {
    query: async ({ name, text, values = [] }: QueryConfig) => ({
      rows: await driver.run({ name, text, values }),
    }),
    connect: () =>
      Promise.reject(
        new SessionDbError(
          'invalid',
          'Uploads need pg. Create the store with a connection string or a Pool of pg.',
        ),
      ),
  }
  return { driver, pool: pool as unknown as Pool }
}

function openPg(pool: Pool, preparation: Preparation): Pick<OpenedDatabase, 'driver' | 'pool'> {
  const prepared = preparedPool(pool, preparation)
  return { driver: createPgDriver(prepared), pool: prepared }
}

/** Runs statements on a pool of `pg`. One with `pipeline: true` sends several in one round trip. */
function createPgDriver(pool: Pool): Driver {
  async function hold<T>(
    work: (client: PoolClient) => Promise<T>,
    isHarmless: (error: unknown) => boolean,
  ): Promise<T> {
    const client = await pool.connect()
    client.on('error', ignoreBreak)
    let broken = false
    try {
      return await work(client)
    } catch (error) {
      broken = !isHarmless(error)
      throw error
    } finally {
      client.off('error', ignoreBreak)
      client.release(broken)
    }
  }
  // pool.query would close the connection after any error, also after a refused write.
  const run = (query: Query): Promise<Rows> =>
    hold(async (client) => (await client.query(toConfig(query))).rows, isRefused)
  return {
    run: (query) => retryUnprepared(() => run(query)),
    connect: (work) =>
      hold(
        (client) => work({ send: (queries) => sendOverPg(client, queries) }),
        () => false,
      ),
  }
}

/** Returns whether Postgres refused a statement and the connection still works. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'severity') === 'ERROR'
}

/**
 * Wraps a pool so that statements lose their names once preparing is off. A single statement is
 * retried then. One in a transaction fails, and the caller repeats the transaction.
 */
function preparedPool(pool: Pool, preparation: Preparation): Pool {
  const run = (on: Pick<Pool, 'query'>, query: unknown) =>
    on.query(preparation.enabled ? (query as QueryConfig) : unnamed(query))
  const wrapped = {
    async query(query: unknown, ...rest: unknown[]) {
      if (rest.length > 0) return Reflect.apply(pool.query, pool, [query, ...rest])
      try {
        return await run(pool, query)
      } catch (error) {
        if (!withoutPreparing(preparation, error)) throw error
        return run(pool, query)
      }
    },
    async connect() {
      const client = await pool.connect()
      return new Proxy(client, {
        get(target, property) {
          const value: unknown = Reflect.get(target, property, target)
          if (typeof value !== 'function') return value
          if (property !== 'query') return value.bind(target)
          return (query: unknown, ...rest: unknown[]) => {
            // Not a string, which has no name, and not a COPY stream.
            const isStatement = typeof Reflect.get(Object(query), 'name') === 'string'
            if (!isStatement || rest.length > 0)
              return Reflect.apply(value, target, [query, ...rest])
            return run(target, query).catch((error: unknown) => {
              withoutPreparing(preparation, error)
              throw error
            })
          }
        },
        set: (target, property, value) => Reflect.set(target, property, value, target),
      })
    },
    end: () => pool.end(),
  }
  return wrapped as unknown as Pool
}

function unnamed(query: unknown): QueryConfig {
  if (typeof Reflect.get(Object(query), 'name') !== 'string') return query as QueryConfig
  return { ...(query as QueryConfig), name: undefined }
}

async function* sendOverPg(client: PoolClient, queries: readonly Query[]): AsyncGenerator<Rows> {
  const run = async (query: Query) => (await client.query(toConfig(query))).rows
  if (client.pipeline) yield* inOrder(queries.map(run))
  else for (const query of queries) yield await run(query)
}

function toConfig({ name, text, values }: Query): QueryConfig {
  const config = { text, values: values as unknown[] }
  return name === undefined ? config : { name, ...config }
}

/** Yields the rows of queries that have all been sent. */
async function* inOrder(answers: readonly PromiseLike<Rows>[]): AsyncGenerator<Rows> {
  // Waits for all of them first: a later failure that the caller never reaches is then not unhandled.
  for (const answer of await Promise.allSettled(answers)) {
    if (answer.status === 'rejected') throw answer.reason
    yield answer.value
  }
}

/**
 * Creates a pool from a connection string. `pg` is loaded on first use, because an app with another
 * driver need not have it installed.
 *
 * @returns The methods of a pool used here: `query`, `connect` and `end`. They fail with `unavailable`
 *   when `pg` is not installed.
 */
function createPool(connectionString: string, statementTimeoutMs: number): Pool {
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
    // Sent before the first statement, without waiting. A startup parameter would fail on PgBouncer.
    client.query(`SET statement_timeout = ${statementTimeoutMs}`).catch(ignoreBreak)
  })
  return pool
}

function refuseMissing(cause: unknown): never {
  throw new SessionDbError(
    'unavailable',
    'A connection string needs the package pg. Run `npm install pg`, or pass the sql of postgres.js or a Kysely instance as `database`.',
    { cause },
  )
}

/**
 * Runs statements through Kysely. Its dialects can neither keep a statement prepared nor pipeline, so
 * Postgres plans each statement again, and a batch of n mutations takes n + 4 round trips.
 */
function createKyselyDriver(db: AnyKysely): Driver {
  const run = async (on: Pick<AnyKysely, 'executeQuery'>, { text, values }: Query) =>
    (await on.executeQuery<object>(CompiledQuery.raw(text, [...values]))).rows
  return {
    run: (query) => run(db, query),
    connect: (work) =>
      db.connection().execute((held) =>
        work({
          async *send(queries) {
            for (const query of queries) yield await run(held, query)
          },
        }),
      ),
  }
}

/** Runs statements through postgres.js, which pipelines the queries of a connection. */
function createPostgresJsDriver(client: PostgresJs, prepare: boolean | undefined): Driver {
  let detecting: Promise<boolean> | undefined
  async function mayPrepare(): Promise<boolean> {
    if (prepare !== undefined) return prepare
    detecting ??= detectDirectConnection(client).catch((error: unknown) => {
      detecting = undefined
      throw error
    })
    return detecting
  }
  const run = (on: PostgresJsQueries, { name, text, values }: Query, prepared: boolean) =>
    on.unsafe(text, [...values], { prepare: prepared && name !== undefined })
  return {
    run: async (query) => run(client, query, await mayPrepare()),
    async connect(work) {
      const prepared = await mayPrepare()
      const reserved = await client.reserve()
      try {
        return await work({
          send: (queries) => inOrder(queries.map((query) => run(reserved, query, prepared))),
        })
      } finally {
        // postgres.js reconnects a broken connection on its next use.
        reserved.release()
      }
    },
  }
}

/**
 * Returns whether postgres.js talks to Postgres itself, and not to a pooler, which announces another
 * process id than the server's. This runs before the first statement, because postgres.js hangs when
 * a pooler rejects a prepared one. An app that turned `prepare` off keeps it off.
 */
async function detectDirectConnection(client: PostgresJs): Promise<boolean> {
  if (client.options?.prepare === false) return false
  const text = 'SELECT pg_backend_pid() AS pid'
  const rows = await client.unsafe(text, [], { prepare: false })
  const [row] = rows as readonly { readonly pid?: number }[]
  const announced = (rows as { readonly state?: { readonly pid?: number } }).state?.pid
  return announced === undefined || row?.pid === announced
}
