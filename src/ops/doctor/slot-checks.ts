import type { ClientBase } from 'pg'
import type { Finding } from '../finding.ts'
import { formatBytes } from '../format-bytes.ts'

/** A replication slot as Postgres has it, in bytes. */
export interface SlotState {
  /** The database it belongs to. */
  readonly database: string
  /** Whether that is the database that was asked. */
  readonly here: boolean
  readonly active: boolean
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | null
  /** Write-ahead log kept for it. */
  readonly retainedBytes: number
  /** How far what it has confirmed is behind what has been written. */
  readonly lagBytes: number
  /** What may still be written before it can be lost; null for no limit. */
  readonly safeBytes: number | null
}

/** Reads one slot of this database's server; undefined where there is none of that name. */
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

/** More than this behind is worth a word, in bytes. */
const MUCH = 1024 ** 3

const CLEAR =
  'Stop Electric, SELECT pg_drop_replication_slot(…), empty ELECTRIC_STORAGE_DIR, start Electric: the slot and the storage go together.'

/** Whether Electric reads its slot and keeps up. */
export async function checkSlot(client: ClientBase, name: string): Promise<Finding> {
  const check = 'slot'
  const slot = await readSlot(client, name)
  if (slot === undefined) {
    return {
      check,
      level: 'error',
      message: `there is no slot ${name}: Electric has never been connected, or the slot was dropped`,
      fix: 'Start Electric with this database. If it was running before, empty ELECTRIC_STORAGE_DIR first: slot and storage go together.',
    }
  }
  if (!slot.here) {
    return {
      check,
      level: 'error',
      message: `${name} belongs to the database ${slot.database}, not to this one`,
      fix: 'Let this database’s Electric use a stream id of its own (ELECTRIC_REPLICATION_STREAM_ID), or drop the slot if the other database is gone for good.',
    }
  }
  if (slot.walStatus === 'lost') {
    return {
      check,
      level: 'error',
      message: `${name} is lost: the WAL it needed is gone`,
      fix: CLEAR,
    }
  }
  const state = `${slot.walStatus}, ${formatBytes(slot.retainedBytes)} of WAL kept, ${formatBytes(slot.lagBytes)} behind`
  if (!slot.active) {
    return {
      check,
      level: 'error',
      message: `nobody reads ${name} (${state})`,
      fix: 'Start Electric. If it is gone for good, drop the slot: it keeps WAL for ever.',
    }
  }
  if (slot.walStatus === 'unreserved' || slot.lagBytes > MUCH || nearlyFull(slot)) {
    return {
      check,
      level: 'warning',
      message: `${name} is falling behind (${state})`,
      fix: 'Look at Electric’s load and disk; raise max_slot_wal_keep_size before the slot is lost.',
    }
  }
  return { check, level: 'ok', message: `${name} active, ${state}` }
}

function nearlyFull({ safeBytes, retainedBytes }: SlotState): boolean {
  return safeBytes !== null && safeBytes < retainedBytes / 4
}
