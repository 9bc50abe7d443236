import type { ClientBase } from 'pg'
import { type ColumnMap, replicatedTables } from '../../schema/index.ts'
import { readMigrationState } from '../../server/migrations/migrate.ts'
import type { Finding } from '../finding.ts'

/** Clock skew from which tokens and cursors become unreliable, in ms. */
const MAX_CLOCK_SKEW_MS = 2_000

interface ServerSettings {
  readonly version: number
  readonly versionText: string
  readonly walLevel: string
  readonly maxSlots: number
  readonly usedSlots: number
  readonly maxSenders: number
  readonly usedSenders: number
  /** In MB; -1 for no limit. */
  readonly slotKeepMb: number
}

/** Checks whether Electric can replicate from this Postgres server. */
export async function checkServer(client: ClientBase): Promise<Finding[]> {
  const settings = await readSettings(client)
  return [version(settings), walLevel(settings), slots(settings), senders(settings), keep(settings)]
}

async function readSettings(client: ClientBase): Promise<ServerSettings> {
  const { rows } = await client.query<ServerSettings>(
    `SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS "versionText",
       current_setting('wal_level') AS "walLevel",
       current_setting('max_replication_slots')::int AS "maxSlots",
       (SELECT count(*)::int FROM pg_replication_slots) AS "usedSlots",
       current_setting('max_wal_senders')::int AS "maxSenders",
       (SELECT count(*)::int FROM pg_stat_replication) AS "usedSenders",
       (SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
         AS "slotKeepMb"`,
  )
  return rows[0] as ServerSettings
}

function version({ version, versionText }: ServerSettings): Finding {
  const check = 'postgres-version'
  if (version >= 140_000) return { check, level: 'ok', message: `Postgres ${versionText}` }
  return {
    check,
    level: 'error',
    message: `Postgres ${versionText} is too old`,
    fix: 'Electric needs Postgres 14 or newer: upgrade the server.',
  }
}

function walLevel({ walLevel }: ServerSettings): Finding {
  const check = 'wal-level'
  if (walLevel === 'logical') return { check, level: 'ok', message: 'wal_level is logical' }
  return {
    check,
    level: 'error',
    message: `wal_level is ${walLevel}: logical replication is off`,
    fix: 'ALTER SYSTEM SET wal_level = logical; then restart Postgres. Managed services have a parameter for it.',
  }
}

function slots({ maxSlots, usedSlots }: ServerSettings): Finding {
  return limit('replication-slots', 'max_replication_slots', maxSlots, usedSlots)
}

function senders({ maxSenders, usedSenders }: ServerSettings): Finding {
  return limit('wal-senders', 'max_wal_senders', maxSenders, usedSenders)
}

/** Only warns when all are used: one of them may be Electric's, which the check `slot` reports. */
function limit(check: string, name: string, max: number, used: number): Finding {
  const message = `${used} of ${max} (${name}) in use`
  if (max === 0) return { check, level: 'error', message, fix: raise(name, 10) }
  if (used >= max) return { check, level: 'warning', message, fix: raise(name, max + 5) }
  return { check, level: 'ok', message }
}

function raise(name: string, to: number): string {
  return `ALTER SYSTEM SET ${name} = ${to}; then restart Postgres.`
}

function keep({ slotKeepMb }: ServerSettings): Finding {
  const check = 'slot-wal-limit'
  if (slotKeepMb >= 0) {
    return { check, level: 'ok', message: `max_slot_wal_keep_size is ${slotKeepMb} MB` }
  }
  return {
    check,
    level: 'warning',
    message:
      'max_slot_wal_keep_size is not set: while Electric is down, retained WAL can fill the disk',
    fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf(); Choose what the disk can spare.",
  }
}

/** Checks whether the tables exist and have the columns that this version of the library expects. */
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
      fix: 'Install the released version of the package: released migrations never change.',
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
      fix: 'This is normal during a rolling upgrade. Otherwise install the newer version.',
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
    fix: "Revert the manual changes. Only the library's migrations may change its tables.",
  }
}

/** A column in the catalog, its type as printed by `format_type`. */
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
    ...extra.map(({ name }) => `${table}.${name} is not part of this library`),
  ]
}

/** Compares this machine's clock with the database's. The round trip doesn't count as skew. */
export async function checkClock(client: ClientBase, now: () => number): Promise<Finding> {
  const asked = now()
  const { rows } = await client.query<{ now: string }>(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now',
  )
  const answered = now()
  const theirs = Number(rows[0]?.now)
  const skew = Math.max(asked - theirs, theirs - answered, 0)
  const check = 'clock-skew'
  if (skew <= MAX_CLOCK_SKEW_MS) return { check, level: 'ok', message: 'clocks agree' }
  return {
    check,
    level: 'warning',
    message: `this machine and the database are ${(skew / 1000).toFixed(1)} s apart`,
    fix: 'Synchronize both with NTP. Otherwise tokens expire early or late, and created_at is wrong.',
  }
}
