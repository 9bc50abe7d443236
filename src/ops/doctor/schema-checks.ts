import type { ClientBase } from 'pg'
import { type ColumnMap, replicatedTables } from '../../schema/index.ts'
import { readMigrationState } from '../../server/migrations/migration-state.ts'
import type { Finding } from '../finding.ts'

/** Whether the tables are there and are what this version of the library takes them for. */
export async function checkSchema(client: ClientBase): Promise<Finding[]> {
  const migrations = await checkMigrations(client)
  if (migrations.level === 'error') {
    return [migrations, { check: 'drift', level: 'skipped', message: 'tables are not up to date' }]
  }
  return [migrations, await checkDrift(client)]
}

async function checkMigrations(client: ClientBase): Promise<Finding> {
  const check = 'migrations'
  const { pending, changed, unknown } = await readMigrationState(client)
  if (changed.length > 0) {
    return {
      check,
      level: 'error',
      message: `${changed.join(', ')} changed after being applied`,
      fix: 'Restore the released version of the package: an applied migration never changes.',
    }
  }
  if (pending.length > 0) {
    return {
      check,
      level: 'error',
      message: `not applied: ${pending.join(', ')}`,
      fix: 'session-db migrate',
    }
  }
  if (unknown.length > 0) {
    return {
      check,
      level: 'warning',
      message: `the database is newer than this package: ${unknown.join(', ')}`,
      fix: 'Fine during a rolling upgrade; else install the newer version.',
    }
  }
  return { check, level: 'ok', message: 'all applied' }
}

async function checkDrift(client: ClientBase): Promise<Finding> {
  const check = 'drift'
  const found: string[] = []
  for (const { name, columns } of Object.values(replicatedTables)) {
    found.push(...compareColumns(name, columns, await readColumns(client, name)))
  }
  if (found.length === 0) return { check, level: 'ok', message: 'columns are as expected' }
  return {
    check,
    level: 'error',
    message: found.join('; '),
    fix: 'Undo by hand what was changed by hand. Tables of the library change by its migrations only.',
  }
}

/** A column as the database has it; the type as `format_type` spells it. */
interface DatabaseColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
}

async function readColumns(client: ClientBase, table: string): Promise<DatabaseColumn[]> {
  const { rows } = await client.query<DatabaseColumn>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable
     FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [table],
  )
  return rows
}

function compareColumns(
  table: string,
  columns: ColumnMap,
  database: readonly DatabaseColumn[],
): string[] {
  const found = new Map(database.map((column) => [column.name, column]))
  const expected = Object.values(columns)
  const extra = database.filter(({ name }) => !expected.some((column) => column.name === name))
  return [
    ...expected.flatMap(({ name, type, nullable }) => {
      const column = found.get(name)
      if (column === undefined) return [`${table}.${name} is missing`]
      if (column.type !== type) return [`${table}.${name} is ${column.type}, not ${type}`]
      if (column.nullable !== nullable) {
        return [`${table}.${name} ${column.nullable ? 'may' : 'may not'} be null`]
      }
      return []
    }),
    ...extra.map(({ name }) => `${table}.${name} is not of this library`),
  ]
}
