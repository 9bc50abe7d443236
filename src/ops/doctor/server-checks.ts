import type { ClientBase } from 'pg'
import type { Finding } from '../finding.ts'

interface ServerSettings {
  readonly version: number
  readonly versionText: string
  readonly walLevel: string
  readonly maxSlots: number
  readonly usedSlots: number
  readonly maxSenders: number
  readonly usedSenders: number
  /** -1 for no limit, else in MB. */
  readonly slotKeepMb: number
}

/** Whether this Postgres can feed Electric at all. */
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
    message: `wal_level is ${walLevel}: nothing can be replicated`,
    fix: 'ALTER SYSTEM SET wal_level = logical; then restart Postgres (a managed one has a parameter for it).',
  }
}

function slots({ maxSlots, usedSlots }: ServerSettings): Finding {
  return room('replication-slots', 'max_replication_slots', maxSlots, usedSlots, 'in use')
}

function senders({ maxSenders, usedSenders }: ServerSettings): Finding {
  return room('wal-senders', 'max_wal_senders', maxSenders, usedSenders, 'busy')
}

/** None left is an error only where Electric has none yet, and that its slot's check says. */
function room(check: string, name: string, max: number, used: number, state: string): Finding {
  const message = `${used} of ${max} (${name}) ${state}`
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
      'max_slot_wal_keep_size is not set: while Electric is away, kept WAL can fill the disk',
    fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf(); (as much as the disk can spare)",
  }
}
