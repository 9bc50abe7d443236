import type { Pool } from 'pg'
import { Gauge, type PrometheusContentType, type Registry } from 'prom-client'

/** Whose uploads are counted. */
export interface UploadsOptions {
  readonly database: Pool
}

/** Adds a gauge of uploads that are still coming in and timelines that wait to be made. */
export function uploadGauges(
  registers: Registry<PrometheusContentType>[],
  { database }: UploadsOptions,
): void {
  new Gauge({
    name: 'session_db_uploads',
    help: 'Uploads that are not done, by state: receiving, or queued for their timeline',
    labelNames: ['state'],
    registers,
    async collect() {
      const counted = await countOpen(database).catch(() => undefined)
      for (const state of ['receiving', 'queued'] as const) {
        this.set({ state }, counted === undefined ? Number.NaN : (counted.get(state) ?? 0))
      }
    },
  })
}

async function countOpen(database: Pool): Promise<Map<string, number>> {
  const { rows } = await database.query<{ state: string; count: number }>(
    `SELECT state, count(*)::int AS count FROM session_uploads
     WHERE state = 'receiving' OR state = 'queued' GROUP BY state`,
  )
  return new Map(rows.map(({ state, count }) => [state, count]))
}
