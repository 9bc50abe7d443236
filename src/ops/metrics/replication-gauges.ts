import type { Pool } from 'pg'
import { Gauge, type PrometheusContentType, type Registry } from 'prom-client'
import { readSlot, type SlotState } from '../doctor/slot-checks.ts'
import { electricNames } from '../electric-setup/electric-names.ts'

/** Whose replication slot is looked at. */
export interface ReplicationOptions {
  readonly database: Pool
  /** Electric's `ELECTRIC_REPLICATION_STREAM_ID`; `default` unless given. */
  readonly streamId?: string | undefined
}

type Registers = Registry<PrometheusContentType>[]

/** Adds gauges of Electric's slot. One query a scrape; a database that is away shows as not up. */
export function replicationGauges(
  registers: Registers,
  { database, streamId }: ReplicationOptions,
): void {
  const { slot } = electricNames(streamId)
  const look = shareInFlight(() => readSlot(database, slot).catch(() => undefined))
  const gauge = (name: string, help: string, value: (found: SlotState | undefined) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(value(await look()))
      },
    })
  gauge('session_db_replication_up', '1 while Electric reads its slot', (found) =>
    found?.active ? 1 : 0,
  )
  // Zeros of a slot that is away would look like one that keeps up.
  gauge(
    'session_db_replication_lag_bytes',
    'How far Electric is behind Postgres',
    (found) => found?.lagBytes ?? Number.NaN,
  )
  gauge(
    'session_db_replication_retained_wal_bytes',
    'Write-ahead log that Postgres keeps for Electric',
    (found) => found?.retainedBytes ?? Number.NaN,
  )
}

/** All gauges of a scrape are read at once: they share one look. */
function shareInFlight<Value>(look: () => Promise<Value>): () => Promise<Value> {
  let running: Promise<Value> | undefined
  return () => {
    running ??= look().finally(() => {
      running = undefined
    })
    return running
  }
}
