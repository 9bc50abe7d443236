import { createHash } from 'node:crypto'
import type { ClientBase } from 'pg'
import { type Migration, migrations as ownMigrations } from './index.ts'

/** How a database stands to this version of the library. */
export interface MigrationState {
  /** Names of migrations that are still to be applied, in order. */
  readonly pending: string[]
  /** Names of applied ones whose text has changed since. */
  readonly changed: string[]
  /** Names of applied ones that this version does not know: the database is newer. */
  readonly unknown: string[]
}

/** Identifies the text of a migration. */
export function migrationChecksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex')
}

/**
 * Compares what has been applied to a database with what this version of the library has. Writes
 * nothing.
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
        return checksum !== undefined && checksum !== migrationChecksum(migration)
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
