import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { MAX_ID_LENGTH } from '../../../schema/limits.ts'
import type { DerivedEvent } from '../../../timeline/derived-event.ts'
import { copyLine } from '../../copy-text.ts'

/** A derived event whose `seq` and `parentSeq` are places in the session, counted from 0. */
export type PlacedEvent = DerivedEvent

/**
 * The id of a session's event: always the same for the same place, so that deriving twice cannot
 * store an event twice.
 */
export function timelineEventId(sessionId: string, seq: number): string {
  const id = `${sessionId}:${seq}`
  if (id.length <= MAX_ID_LENGTH) return id
  return `${createHash('sha256').update(sessionId).digest('hex')}:${seq}`
}

/** Whose events are stored, and what derived them: null where the app may change them as its own. */
export interface EventsOrigin {
  readonly tenantId: string
  readonly sessionId: string
  readonly derivedBy: string | null
}

/** What an event says, in the database. */
export const SAID_COLUMNS = [
  'kind',
  'role',
  'occurred_at',
  'title',
  'text',
  'tool_name',
  'call_id',
  'parent_id',
  'data',
]

/** The columns of a derived event, in the order of its line. */
export const EVENT_COLUMNS = [
  ...['tenant_id', 'session_id', 'derived_by', 'id', 'seq'],
  ...SAID_COLUMNS,
].join(', ')

/** Events as `insertEvents` takes them: lines of COPY's text format. */
export function eventLines(
  { tenantId, sessionId, derivedBy }: EventsOrigin,
  events: readonly PlacedEvent[],
): Buffer {
  const lineOf = ({ parentSeq, occurredAt, ...event }: PlacedEvent) =>
    copyLine([
      ...[tenantId, sessionId, derivedBy],
      ...[timelineEventId(sessionId, event.seq), event.seq, event.kind, event.role],
      ...[occurredAt?.toISOString() ?? null, event.title, event.text],
      ...[event.toolName, event.callId],
      parentSeq === null ? null : timelineEventId(sessionId, parentSeq),
      JSON.stringify(event.data),
    ])
  return Buffer.from(events.map(lineOf).join(''))
}

/**
 * Inserts events with one COPY, which takes Postgres the least time of all ways to take rows. The
 * client must be one that does not pipeline.
 *
 * @param table another table of the same form.
 */
export async function insertEvents(
  client: ClientBase,
  lines: Buffer,
  table = 'timeline_events',
): Promise<void> {
  await pipeline(
    Readable.from([lines]),
    client.query(copyFrom(`COPY ${table} (${EVENT_COLUMNS}) FROM STDIN`)),
  )
}
