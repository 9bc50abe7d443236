import { createHash } from 'node:crypto'
import type { ClientBase } from 'pg'
import { MAX_ID_LENGTH } from '../../schema/fields.ts'
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

/** Inserts events in one statement. */
export async function insertEvents(
  client: ClientBase,
  tenantId: string,
  sessionId: string,
  events: readonly PlacedEvent[],
  { derivedBy, table = 'timeline_events' }: InsertOptions = {},
): Promise<void> {
  const rows = events.map((event) => ({
    id: timelineEventId(sessionId, event.seq),
    seq: event.seq,
    kind: event.kind,
    role: event.role,
    occurred_at: event.occurredAt,
    title: event.title,
    text: event.text,
    tool_name: event.toolName,
    call_id: event.callId,
    parent_id: event.parentSeq === null ? null : timelineEventId(sessionId, event.parentSeq),
    data: event.data,
  }))
  await client.query(
    `INSERT INTO ${table} (tenant_id, session_id, derived_by, id, seq, kind, role, occurred_at,
       title, text, tool_name, call_id, parent_id, data)
     SELECT $1, $2, $4, e.* FROM json_to_recordset($3::json) AS e(id text, seq integer, kind text,
       role text, occurred_at timestamptz, title text, text text, tool_name text, call_id text,
       parent_id text, data jsonb)`,
    [tenantId, sessionId, JSON.stringify(rows), derivedBy ?? null],
  )
}
