import type { Pool } from 'pg'
import { Gauge, type PrometheusContentType, type Registry } from 'prom-client'
import { electricNames } from '../electric-setup/names.ts'
import { readSlot, type SlotState } from '../replication-slot.ts'

/** The replication slot to observe. */
export interface ReplicationOptions {
  readonly database: Pool
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`. Default `default`. */
  readonly streamId?: string | undefined
}

/** The uploads to count. */
export interface UploadsOptions {
  readonly database: Pool
}

type Registers = Registry<PrometheusContentType>[]

/** Adds gauges of Electric's slot, with one query per scrape. Without a database, `up` is 0. */
export function replicationGauges(
  registers: Registers,
  { database, streamId }: ReplicationOptions,
): void {
  const { slot } = electricNames(streamId)
  const slotState = shareInFlight(() => readSlot(database, slot).catch(() => undefined))
  const gauge = (name: string, help: string, value: (found: SlotState | undefined) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(value(await slotState()))
      },
    })
  gauge('session_db_replication_up', '1 while Electric reads its replication slot', (found) =>
    found?.active ? 1 : 0,
  )
  // Not 0 for a missing slot, which would look like one that keeps up.
  gauge(
    'session_db_replication_lag_bytes',
    'How far Electric is behind Postgres',
    (found) => found?.lagBytes ?? Number.NaN,
  )
  gauge(
    'session_db_replication_retained_wal_bytes',
    'Write-ahead log that Postgres retains for Electric',
    (found) => found?.retainedBytes ?? Number.NaN,
  )
}

/** Shares a running call: a scrape collects all gauges concurrently. */
function shareInFlight<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let running: Promise<Value> | undefined
  return () => {
    running ??= read().finally(() => {
      running = undefined
    })
    return running
  }
}

/** Adds a gauge of uploads that are still being received, or wait for their timeline. */
export function uploadGauges(registers: Registers, { database }: UploadsOptions): void {
  new Gauge({
    name: 'session_db_uploads',
    help: 'Unfinished uploads by state: receiving, or queued for their timeline',
    labelNames: ['state'],
    registers,
    async collect() {
      const counted = await countUnfinished(database).catch(() => undefined)
      for (const state of ['receiving', 'queued'] as const) {
        this.set({ state }, counted === undefined ? Number.NaN : (counted.get(state) ?? 0))
      }
    },
  })
}

async function countUnfinished(database: Pool): Promise<Map<string, number>> {
  const { rows } = await database.query<{ state: string; count: number }>(
    `SELECT state, count(*)::int AS count FROM session_uploads
     WHERE state = 'receiving' OR state = 'queued' GROUP BY state`,
  )
  return new Map(rows.map(({ state, count }) => [state, count]))
}
