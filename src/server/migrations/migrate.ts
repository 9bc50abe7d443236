import { createHash } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { transaction, withClient } from '../connections.ts'
import { type Migration, migrations as ownMigrations } from './index.ts'

export interface MigrateOptions {
  /** A connection string or a pool. The pool is left open. */
  readonly database: string | Pool
  /**
   * Records the migrations as applied without running them, for tables that the app's own migration tool has created
   * from `session-db migrate --print-sql` or a dump. Default false.
   */
  readonly baseline?: boolean
  /**
   * Schema of the tables, created if it is missing. It must come first in the `search_path` of all connections to this
   * database; pass it to `createShapeProxy`, too. Default `public`.
   */
  readonly schema?: string
}

/** The names of the migrations that `migrate` applied and of those it found applied, in order. */
export interface MigrateResult {
  readonly applied: string[]
  readonly alreadyApplied: string[]
}

// Every version of this library has to use the same number.
const LOCK_KEY = 7_236_108_451

const CREATE_MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS session_db_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

/**
 * Brings the database to the schema that this version of the library needs.
 *
 * Any number of processes may call it concurrently: an advisory lock makes them take turns. Each
 * migration runs in one transaction with its entry in `session_db_migrations`, so a failing migration
 * leaves nothing behind and the ones before it stay. Migrations of a newer version are left alone.
 *
 * @throws Error when the text of an applied migration has changed, or when a migration fails (the
 * message names it; `cause` is Postgres's error).
 * @throws SessionDbError `unavailable` when the database cannot be reached, `invalid` when its search_path doesn't
 * create tables in `schema`.
 * @example
 * const { applied } = await migrate({ database: process.env.DATABASE_URL })
 */
export function migrate({ database, baseline, schema }: MigrateOptions): Promise<MigrateResult> {
  return applyMigrations(database, ownMigrations, { baseline, schema })
}

/** Returns the SQL of all migrations and their records, for the app's own migration tool. It contains no BEGIN or COMMIT. */
export function migrationSql(): string {
  const each = ownMigrations.map(
    (migration) => `-- ${migration.name}
${migration.sql.trim()}

INSERT INTO session_db_migrations (name, checksum)
  VALUES ('${migration.name}', '${checksumOf(migration)}');`,
  )
  return [`${CREATE_MIGRATIONS_TABLE.trim().replaceAll(/^ {2}/gm, '')};`, ...each, ''].join('\n\n')
}

/** Applies migrations in order; `migrate` does so with this library's. */
export function applyMigrations(
  database: string | Pool,
  migrations: readonly Migration[],
  {
    baseline = false,
    schema = 'public',
  }: { readonly baseline?: boolean | undefined; readonly schema?: string | undefined } = {},
): Promise<MigrateResult> {
  return withClient(database, async (client) => {
    await locked(client, async () => {
      await requireSchema(client, schema)
      await client.query(CREATE_MIGRATIONS_TABLE)
    })
    const result: MigrateResult = { applied: [], alreadyApplied: [] }
    for (const migration of migrations) {
      const isNew = await locked(client, () => applyOnce(client, migration, baseline))
      const names = isNew ? result.applied : result.alreadyApplied
      names.push(migration.name)
    }
    return result
  })
}

/** With tables elsewhere, shapes would be empty or show other tables' rows. */
async function requireSchema(client: ClientBase, wanted: string): Promise<void> {
  // `CREATE SCHEMA IF NOT EXISTS` requires the privilege even if the schema exists.
  const { rows: missing } = await client.query<{ sql: string }>(
    `SELECT format('CREATE SCHEMA IF NOT EXISTS %I', $1::text) AS sql
     WHERE to_regnamespace(quote_ident($1)) IS NULL`,
    [wanted],
  )
  for (const { sql } of missing) await client.query(sql)
  const { rows } = await client.query<{ schema: string | null }>(
    'SELECT current_schema() AS schema',
  )
  const schema = rows[0]?.schema
  if (schema === wanted) return
  throw new SessionDbError(
    'invalid',
    `The tables of session-db belong in the schema ${wanted}, but search_path creates tables in ${schema ?? 'no schema'}. ` +
      `Put ${wanted} first in the search_path of DATABASE_URL (?options=-csearch_path%3D${encodeURIComponent(wanted)}) or of its role. ` +
      'For tables in another schema, pass `schema` to `migrate` (`--schema`) and to `createShapeProxy`.',
  )
}

/** Runs `work` in a transaction under the migration lock, which ends with it. */
function locked<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  return transaction(client, async () => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY])
    return work()
  })
}

/** Returns false when the migration was applied before. */
async function applyOnce(
  client: ClientBase,
  migration: Migration,
  baseline: boolean,
): Promise<boolean> {
  const checksum = checksumOf(migration)
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
    if (baseline) await requireTables(client, migration)
    else await client.query(migration.sql)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Migration ${migration.name} failed and was rolled back: ${reason}`, { cause })
  }
  await client.query('INSERT INTO session_db_migrations (name, checksum) VALUES ($1, $2)', [
    migration.name,
    checksum,
  ])
  return true
}

async function requireTables(client: ClientBase, { sql }: Migration): Promise<void> {
  const names = [...sql.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name)
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL',
    [names],
  )
  if (rows.length === 0) return
  const missing = rows.map(({ name }) => name).join(', ')
  throw new Error(`there is no table ${missing}. Create the tables without --baseline`)
}

function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex')
}

/** Compares a database's migrations with those of this version of the library. */
export interface MigrationState {
  /** Names of the migrations to be applied, in order. */
  readonly pending: string[]
  /** Names of applied migrations whose text has changed. */
  readonly changed: string[]
  /** Names of applied migrations that this version doesn't have: the database is newer. */
  readonly unknown: string[]
}

/**
 * Returns the state of a database's migrations. It writes nothing.
 *
 * @example
 * const { pending } = await readMigrationState(client)
 */
export async function readMigrationState(
  client: ClientBase,
  migrations: readonly Migration[] = ownMigrations,
): Promise<MigrationState> {
  const applied = await readApplied(client)
  const known = new Set(migrations.map(({ name }) => name))
  return {
    pending: migrations.filter(({ name }) => !applied.has(name)).map(({ name }) => name),
    changed: migrations
      .filter((migration) => {
        const checksum = applied.get(migration.name)
        return checksum !== undefined && checksum !== checksumOf(migration)
      })
      .map(({ name }) => name),
    unknown: [...applied.keys()].filter((name) => !known.has(name)),
  }
}

async function readApplied(client: ClientBase): Promise<Map<string, string>> {
  const { rows: found } = await client.query<{ found: boolean }>(
    "SELECT to_regclass('session_db_migrations') IS NOT NULL AS found",
  )
  if (found[0]?.found !== true) return new Map()
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'SELECT name, checksum FROM session_db_migrations ORDER BY name',
  )
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}
