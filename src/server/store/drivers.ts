import { CompiledQuery, type Kysely } from 'kysely'
import type { Pool, PoolClient, QueryConfig } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { ignoreBreak } from '../connections.ts'
import { checkDatabaseUrl } from '../database-failure.ts'
import { refuseUnreachable } from './errors.ts'
import { beginLimited, createPgPool, wrapPgPool } from './pg-pool.ts'
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
  readonly options?: {
    readonly prepare?: boolean
    readonly connection?: { readonly statement_timeout?: unknown }
  }
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
 * Selects the driver for a database. It looks at the methods of the client and not at its class,
 * because an app may have another copy of the package.
 *
 * @param options.prepare False to send all statements unprepared.
 * @param options.statementTimeoutMs Time limit of every statement in ms; 0 for none.
 * @throws SessionDbError `invalid` for a malformed connection string, or an unknown kind of client.
 */
export function openDatabase(
  database: StoreDatabase,
  options: { readonly prepare?: boolean | undefined; readonly statementTimeoutMs: number },
): OpenedDatabase {
  const { prepare, statementTimeoutMs } = options
  const pgOptions = { prepare: prepare ?? true, statementTimeoutMs }
  if (typeof database === 'string' || database === undefined) {
    checkDatabaseUrl(database)
    const pool = createPgPool(database, statementTimeoutMs)
    return { ...openPg(wrapPgPool(pool, pgOptions)), close: () => pool.end() }
  }
  const close = async () => {}
  if (has(database, 'executeQuery', 'connection')) {
    return { ...withPool(createKyselyDriver(database as AnyKysely, statementTimeoutMs)), close }
  }
  if (has(database, 'unsafe', 'reserve')) {
    return { ...withPool(createPostgresJsDriver(database as PostgresJs, options)), close }
  }
  if (has(database, 'query', 'connect')) {
    return { ...openPg(wrapPgPool(database as Pool, pgOptions)), close }
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
      rows: await driver.run({ name, text, values }).catch(refuseUnreachable),
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

function openPg(pool: Pool): Pick<OpenedDatabase, 'driver' | 'pool'> {
  return { driver: createPgDriver(pool), pool }
}

/** Runs statements on a pool of `pg`. One with `pipeline: true` sends several in one round trip. */
function createPgDriver(pool: Pool): Driver {
  return {
    run: async (query) => (await pool.query(toConfig(query))).rows,
    async connect(work) {
      const client = await pool.connect()
      client.on('error', ignoreBreak)
      let isBroken = true
      try {
        const result = await work({ send: (queries) => sendOverPg(client, queries) })
        isBroken = false
        return result
      } finally {
        client.off('error', ignoreBreak)
        client.release(isBroken)
      }
    },
  }
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
 * Runs statements through Kysely. Its dialects can neither keep a statement prepared nor pipeline, so
 * Postgres plans each statement again, and a batch of n mutations takes n + 4 round trips, or three for
 * n = 1.
 */
function createKyselyDriver(db: AnyKysely, statementTimeoutMs: number): Driver {
  const run = async (on: Pick<AnyKysely, 'executeQuery'>, { text, values }: Query) =>
    (await on.executeQuery<object>(CompiledQuery.raw(text, [...values]))).rows
  const connect: Driver['connect'] = (work) =>
    db.connection().execute((held) =>
      work({
        async *send(queries) {
          for (const query of queries) yield await run(held, query)
        },
      }),
    )
  return {
    run: (query) =>
      statementTimeoutMs === 0
        ? run(db, query)
        : runLimited({ connect }, query, statementTimeoutMs),
    connect,
  }
}

/** Runs a statement in a transaction of its own that limits its time. */
function runLimited(
  { connect }: Pick<Driver, 'connect'>,
  query: Query,
  statementTimeoutMs: number,
): Promise<Rows> {
  const begin = plainQuery(beginLimited(statementTimeoutMs))
  return connect(async (connection) => {
    try {
      const [, rows = []] = await collect(connection, [begin, query, plainQuery('COMMIT')])
      return rows
    } catch (error) {
      await rollBack(connection)
      throw error
    }
  })
}

/** Runs statements through postgres.js, which pipelines the queries of a connection. */
function createPostgresJsDriver(
  client: PostgresJs,
  {
    prepare,
    statementTimeoutMs,
  }: { readonly prepare?: boolean | undefined; readonly statementTimeoutMs: number },
): Driver {
  const hasLimit =
    statementTimeoutMs === 0 || Boolean(client.options?.connection?.statement_timeout)
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
  const connect: Driver['connect'] = async (work) => {
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
  }
  return {
    run: async (query) =>
      hasLimit
        ? run(client, query, await mayPrepare())
        : runLimited({ connect }, query, statementTimeoutMs),
    connect,
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
