import { setTimeout as wait } from 'node:timers/promises'
import type { ClientBase } from 'pg'

const DEFAULT_MAX_LAG = 64 * 1024 * 1024
const LOOK_AGAIN_MS = 200

/**
 * Waits until every logical slot that somebody reads is at most `maxLagBytes` behind. A slot nobody
 * reads is not waited for: it would never catch up.
 */
export async function waitForReplication(
  client: ClientBase,
  maxLagBytes: number = DEFAULT_MAX_LAG,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted && (await largestLag(client)) > maxLagBytes) {
    await wait(LOOK_AGAIN_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
}

async function largestLag(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ lag: number }>(
    `SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)), 0)::float8 AS lag
     FROM pg_replication_slots
     WHERE slot_type = 'logical' AND active AND database = current_database()`,
  )
  return rows[0]?.lag ?? 0
}
