import type { ClientBase } from 'pg'
import type { DerivedTimeline } from '../../../timeline/derive-timeline.ts'
import type { DeriveProgress, TimelineSummary } from '../../../timeline/timeline-summary.ts'
import { eventLines, insertEvents } from './insert-events.ts'
import { storeBatches } from './store-batches.ts'

/** The session that events belong to. */
export interface EventSession {
  readonly tenantId: string
  readonly sessionId: string
}

/**
 * Stores a log's events while the next ones are derived, inside whatever transaction the client is
 * in.
 *
 * @param client one that does not pipeline its queries: rows are sent with COPY.
 * @param onProgress is called after each batch was stored.
 * @returns what the log says of the session as a whole.
 * @throws what reading the log or Postgres throws; the transaction is then to be rolled back.
 * @example
 * const summary = await persistTimeline(client, { tenantId, sessionId }, deriveTimeline(log))
 */
export async function persistTimeline(
  client: ClientBase,
  { tenantId, sessionId }: EventSession,
  timeline: DerivedTimeline,
  onProgress: (progress: DeriveProgress) => void | Promise<void> = () => undefined,
): Promise<TimelineSummary> {
  await storeBatches(timeline, {
    prepare: ({ events }) => eventLines({ tenantId, sessionId, derivedBy: null }, events),
    async store(lines, { progress }) {
      await insertEvents(client, lines)
      await onProgress(progress)
    },
  })
  return timeline.summary
}
