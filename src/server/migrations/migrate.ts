import type { ClientBase, Pool } from 'pg'
import { transaction, withClient } from '../connections.ts'
import { type Migration, migrations as ownMigrations } from './index.ts'
import { migrationChecksum } from './migration-state.ts'

/** What `migrate` did, by migration name, in order. */
export interface MigrateResult {
  readonly applied: string[]
  readonly alreadyApplied: string[]
}

export interface MigrateOptions {
  /** A connection string or a pool; the pool is left open. */
  readonly database: string | Pool
  /** The migrations to apply; this library's own unless told otherwise. */
  readonly migrations?: readonly Migration[]
}

// Any constant does, as long as every version of this library uses the same one.
const LOCK_KEY = 7_236_108_451

/**
 * Brings the database to the schema this version of the library needs.
 *
 * Any number of processes may call it at once: an advisory lock lets one at a time work, and the
 * others find nothing left to do. Each migration runs in a transaction of its own together with its
 * entry in `session_db_migrations`, so one that fails leaves nothing and the ones before it stay.
 * Migrations of a newer version that the database already has are left alone.
 *
 * @throws Error when an applied migration's text has changed since, or when a migration fails (the
 * message names it; `cause` is Postgres's error).
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 * @example
 * const { applied } = await migrate({ database: process.env.DATABASE_URL })
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  return withClient(options.database, async (client) => {
    const migrations = options.migrations ?? ownMigrations
    const result: MigrateResult = { applied: [], alreadyApplied: [] }
    await locked(client, () => client.query(CREATE_MIGRATIONS_TABLE))
    for (const migration of migrations) {
      const isNew = await locked(client, () => applyOnce(client, migration))
      const names = isNew ? result.applied : result.alreadyApplied
      names.push(migration.name)
    }
    return result
  })
}

const CREATE_MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS session_db_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

/** Whether the migration had to be applied. */
async function applyOnce(client: ClientBase, migration: Migration): Promise<boolean> {
  const checksum = migrationChecksum(migration)
  const known = await client.query<{ checksum: string }>(
    'SELECT checksum FROM session_db_migrations WHERE name = $1',
    [migration.name],
  )
  const entry = known.rows[0]
  if (entry !== undefined) {
    if (entry.checksum === checksum) return false
    throw new Error(
      `Migration ${migration.name} was changed after it was applied to this database. ` +
        'Restore its text and put the change into a new migration.',
    )
  }
  try {
    await client.query(migration.sql)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Migration ${migration.name} failed and left nothing behind: ${reason}`, {
      cause,
    })
  }
  await client.query('INSERT INTO session_db_migrations (name, checksum) VALUES ($1, $2)', [
    migration.name,
    checksum,
  ])
  return true
}

/** Runs `work` in a transaction that no other migrator shares. The lock ends with it. */
function locked<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  return transaction(client, async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY])
    return work()
  })
}
