import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import type { StoreDatabase } from '../../../src/server/store/index.ts'

/** The supported kinds of `database` by name. Each opens its own client, as an app does. */
export type StoreDriver = 'connection string' | 'pg' | 'postgres.js' | 'kysely'

export const storeDrivers: readonly StoreDriver[] = [
  'connection string',
  'pg',
  'postgres.js',
  'kysely',
]

export interface OpenedDatabase {
  readonly database: StoreDatabase
  close(): Promise<void>
}

const CONNECTIONS = 10

/** Opens a client. */
export function openDatabase(driver: StoreDriver, url: string): OpenedDatabase {
  switch (driver) {
    case 'connection string':
      return { database: url, close: async () => {} }
    case 'pg': {
      const pool = quietPool(url)
      return { database: pool, close: () => pool.end() }
    }
    case 'postgres.js': {
      const sql = postgres(url, { max: CONNECTIONS, onnotice: () => {} })
      return { database: sql, close: () => sql.end({ timeout: 5 }) }
    }
    case 'kysely': {
      // The plugin renames columns. Statements must not depend on names it changes.
      const db = new Kysely<{ unrelated: { id: number } }>({
        dialect: new PostgresDialect({ pool: quietPool(url) }),
        plugins: [new CamelCasePlugin()],
      })
      return { database: db, close: () => db.destroy() }
    }
  }
}

function quietPool(connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: CONNECTIONS })
  pool.on('error', () => {})
  // Kysely has no error listener on its connections, so a broken one would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
