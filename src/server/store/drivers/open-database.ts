import type { Pool, QueryConfig } from 'pg'
import { SessionDbError } from '../../../errors.ts'
import type { Driver } from './driver.ts'
import { type AnyKysely, createKyselyDriver } from './kysely.ts'
import { createPgDriver } from './pg.ts'
import { createPool } from './pool.ts'
import { createPostgresJsDriver, type PostgresJs } from './postgres-js.ts'

/** What a store may be given: a connection string, or a client that the app has already. */
export type StoreDatabase = string | Pool | PostgresJs | AnyKysely

/** How a store reaches its database. */
export interface OpenedDatabase {
  readonly driver: Driver
  /** For what is written for `pg` alone. Over another driver it runs statements, and no transaction. */
  readonly pool: Pool
  /** Ends what was opened here. */
  close(): Promise<void>
}

/**
 * Finds the driver for what was given. By what it can do, not by its class: an app may have another
 * copy of the package.
 *
 * @throws SessionDbError `invalid` when it is none of them.
 */
export function openDatabase(database: StoreDatabase): OpenedDatabase {
  if (typeof database === 'string') {
    const pool = createPool(database)
    return { driver: createPgDriver(pool), pool, close: () => pool.end() }
  }
  const close = async () => {}
  if (isKysely(database)) return { ...withPool(createKyselyDriver(database)), close }
  if (isPostgresJs(database)) return { ...withPool(createPostgresJsDriver(database)), close }
  if (isPgPool(database)) return { driver: createPgDriver(database), pool: database, close }
  throw new SessionDbError(
    'invalid',
    'database has to be a connection string, a Pool of pg, the sql of postgres.js, or a Kysely instance.',
  )
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
          'Uploads need pg: give the store a connection string, or a Pool of pg.',
        ),
      ),
  }
  return { driver, pool: pool as unknown as Pool }
}

function isKysely(database: object): database is AnyKysely {
  return has(database, 'executeQuery') && has(database, 'connection')
}

function isPostgresJs(database: object): database is PostgresJs {
  return has(database, 'unsafe') && has(database, 'reserve')
}

function isPgPool(database: object): database is Pool {
  return has(database, 'query') && has(database, 'connect')
}

function has(value: unknown, method: string): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof Reflect.get(value, method) === 'function'
}
