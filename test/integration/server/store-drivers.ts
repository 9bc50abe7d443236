import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import type { StoreDatabase } from '../../../src/server/store/index.ts'

/** What a store may be given, by name; each is a client of its own, as an app would have it. */
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

/** Opens a client of this kind. */
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
      // With a plugin that renames columns: statements must not depend on names it would change.
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
  // Kysely does not listen on the connections it holds: one that breaks would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
