import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { MAX_ID_LENGTH } from '../../schema/fields.ts'
import { copyLine } from '../copy-text.ts'
import type { DerivedEvent } from './derived-event.ts'

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

/** What is said of events besides what they hold. */
export interface InsertOptions {
  /** What derived them; null for events that the app wrote. */
  readonly derivedBy?: string
  /** Another table of the same form. */
  readonly table?: string
}

const COLUMNS = [
  'tenant_id',
  'session_id',
  'derived_by',
  'id',
  'seq',
  'kind',
  'role',
  'occurred_at',
  'title',
  'text',
  'tool_name',
  'call_id',
  'parent_id',
  'data',
].join(', ')

/**
 * Inserts events with one COPY, which takes Postgres the least time of all ways to take rows. The
 * client must be one that does not pipeline.
 */
export async function insertEvents(
  client: ClientBase,
  tenantId: string,
  sessionId: string,
  events: readonly PlacedEvent[],
  { derivedBy, table = 'timeline_events' }: InsertOptions = {},
): Promise<void> {
  const lineOf = ({ parentSeq, occurredAt, ...event }: PlacedEvent) =>
    copyLine([
      ...[tenantId, sessionId, derivedBy ?? null],
      ...[timelineEventId(sessionId, event.seq), event.seq, event.kind, event.role],
      ...[occurredAt?.toISOString() ?? null, event.title, event.text],
      ...[event.toolName, event.callId],
      parentSeq === null ? null : timelineEventId(sessionId, parentSeq),
      JSON.stringify(event.data),
    ])
  await pipeline(
    Readable.from([events.map(lineOf).join('')]),
    client.query(copyFrom(`COPY ${table} (${COLUMNS}) FROM STDIN`)),
  )
}
