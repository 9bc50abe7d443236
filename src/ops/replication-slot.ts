import type { ClientBase } from 'pg'
import type { Finding } from './finding.ts'

/** The state of a replication slot. */
export interface SlotState {
  /** The database it belongs to. */
  readonly database: string
  /** True if that is the connected database. */
  readonly here: boolean
  readonly active: boolean
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | null
  /** Write-ahead log that Postgres retains for this slot, in bytes. */
  readonly retainedBytes: number
  /** Distance between the confirmed and the current position, in bytes. */
  readonly lagBytes: number
  /** Bytes that can still be written before the slot may be lost. Null without a limit. */
  readonly safeBytes: number | null
}

/** Reads the state of a slot. Returns undefined if the server has no slot of this name. */
export async function readSlot(
  client: Pick<ClientBase, 'query'>,
  name: string,
): Promise<SlotState | undefined> {
  const { rows } = await client.query<Record<keyof SlotState, unknown>>(
    `SELECT database, database = current_database() AS here, active, wal_status AS "walStatus",
       pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 AS "retainedBytes",
       pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::float8 AS "lagBytes",
       safe_wal_size::float8 AS "safeBytes"
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return {
    database: String(row.database),
    here: row.here === true,
    active: row.active === true,
    walStatus: row.walStatus as string | null,
    retainedBytes: Number(row.retainedBytes ?? 0),
    lagBytes: Number(row.lagBytes ?? 0),
    safeBytes: row.safeBytes === null ? null : Number(row.safeBytes),
  }
}

/** The lag from which the doctor warns. */
const LARGE_LAG_BYTES = 1024 ** 3

const RESET =
  'Stop Electric, SELECT pg_drop_replication_slot(…), empty ELECTRIC_STORAGE_DIR, start Electric. The slot and the storage are always reset together.'

/** Checks whether Electric reads its slot and keeps up. */
export async function checkSlot(client: ClientBase, name: string): Promise<Finding> {
  const check = 'slot'
  const slot = await readSlot(client, name)
  if (slot === undefined) {
    return {
      check,
      level: 'error',
      message: `there is no slot ${name}: Electric never connected to this database, or the slot was dropped`,
      fix: 'Start Electric with this DATABASE_URL: if Electric is running, it follows another database. If it used this one before, empty ELECTRIC_STORAGE_DIR first: the slot and the storage are always reset together.',
    }
  }
  if (!slot.here) {
    return {
      check,
      level: 'error',
      message: `${name} belongs to the database ${slot.database}, not to this one`,
      fix: 'Set ELECTRIC_REPLICATION_STREAM_ID for this database’s Electric. If the other database is gone for good, drop the slot instead.',
    }
  }
  if (slot.walStatus === 'lost') {
    return {
      check,
      level: 'error',
      message: `${name} is lost: Postgres removed WAL that it needed`,
      fix: RESET,
    }
  }
  const state = `${slot.walStatus}, ${formatBytes(slot.retainedBytes)} of WAL retained, ${formatBytes(slot.lagBytes)} behind`
  if (!slot.active) {
    return {
      check,
      level: 'error',
      message: `${name} is inactive: Electric is not connected (${state})`,
      fix: 'Start Electric. If it is gone for good, drop the slot: an unused slot retains WAL until the disk is full.',
    }
  }
  if (slot.walStatus === 'unreserved' || slot.lagBytes > LARGE_LAG_BYTES || nearLimit(slot)) {
    return {
      check,
      level: 'warning',
      message: `${name} is falling behind (${state})`,
      fix: 'Check Electric’s load and disk. Raise max_slot_wal_keep_size before the slot is lost.',
    }
  }
  return { check, level: 'ok', message: `${name} active, ${state}` }
}

function nearLimit({ safeBytes, retainedBytes }: SlotState): boolean {
  return safeBytes !== null && safeBytes < retainedBytes / 4
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Formats a size for people, for example `1.5 KiB`. */
function formatBytes(bytes: number): string {
  let size = Math.max(0, bytes)
  let unit = 0
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${Number(size.toFixed(1))} ${UNITS[unit]}`
}
