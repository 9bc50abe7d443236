import type { ClientBase } from 'pg'
import type { DerivedEvent } from '../../../timeline/derived-event.ts'
import {
  EVENT_COLUMNS,
  type EventsOrigin,
  eventLines,
  insertEvents,
  type PlacedEvent,
  SAID_COLUMNS,
  timelineEventId,
} from '../ingest/insert-events.ts'

const STAGING = 'pg_temp.session_db_derived_events'

/** Takes a session's derived events, in their order. */
export interface EventWriter {
  /** Gives the next ones their places, and makes of them what `write` sends. */
  prepare(events: readonly DerivedEvent[]): Buffer
  /** Writes what was prepared, in one statement. */
  write(lines: Buffer): Promise<void>
  /** Afterwards the session has these derived events and no others. */
  end(): Promise<void>
}

/**
 * Writes a session's derived events within the caller's transaction. Each gets the next seq that no
 * event of the app has. Where there are derived events already, the new ones are put beside them
 * first and only the differences written: an unchanged event stays as it is.
 */
export async function openEventWriter(
  client: ClientBase,
  target: EventsOrigin,
): Promise<EventWriter> {
  const { rows } = await client.query<{ derived: boolean }>(
    `SELECT EXISTS (SELECT FROM timeline_events
       WHERE tenant_id = $1 AND session_id = $2 AND derived_by IS NOT NULL) AS derived`,
    [target.tenantId, target.sessionId],
  )
  const replaces = rows[0]?.derived === true
  if (replaces) await client.query(CREATE_STAGING)
  const taken = await takenPlaces(client, target)
  let seq = 0
  // Where an event went whose place is another one than in its log, because the app's are between.
  const moved = new Map<number, number>()
  const place = (event: DerivedEvent): PlacedEvent => {
    while (taken.has(seq)) seq += 1
    if (seq !== event.seq) moved.set(event.seq, seq)
    const parentSeq = event.parentSeq === null ? null : moved.get(event.parentSeq)
    return { ...event, seq: seq++, parentSeq: parentSeq ?? event.parentSeq }
  }
  return {
    prepare: (events) => eventLines(target, events.map(place)),
    write: (lines) => insertEvents(client, lines, replaces ? STAGING : undefined),
    async end() {
      if (replaces) await replaceEvents(client, target)
    },
  }
}

/**
 * The places of the app's own events. A derived event that somebody changed is the app's from then
 * on; it stays in the place it was derived for, which no other event may have either.
 */
async function takenPlaces(
  client: ClientBase,
  { tenantId, sessionId }: EventsOrigin,
): Promise<Set<number>> {
  const { rows } = await client.query<{ id: string; seq: number }>(
    `SELECT id, seq FROM timeline_events
     WHERE tenant_id = $1 AND session_id = $2 AND derived_by IS NULL`,
    [tenantId, sessionId],
  )
  return new Set(
    rows.filter(({ id, seq }) => id !== timelineEventId(sessionId, seq)).map(({ seq }) => seq),
  )
}

const CREATE_STAGING = `
  DROP TABLE IF EXISTS ${STAGING};
  CREATE TEMPORARY TABLE session_db_derived_events (LIKE timeline_events INCLUDING DEFAULTS)
    ON COMMIT DROP`

async function replaceEvents(
  client: ClientBase,
  { tenantId, sessionId }: EventsOrigin,
): Promise<void> {
  const values = [tenantId, sessionId]
  await client.query(
    `DELETE FROM timeline_events e
     WHERE e.tenant_id = $1 AND e.session_id = $2 AND e.derived_by IS NOT NULL
       AND NOT EXISTS (SELECT FROM ${STAGING} n WHERE n.id = e.id)`,
    values,
  )
  const ofOld = SAID_COLUMNS.map((name) => `e.${name}`).join(', ')
  const ofNew = SAID_COLUMNS.map((name) => `EXCLUDED.${name}`).join(', ')
  await client.query(
    `INSERT INTO timeline_events AS e (${EVENT_COLUMNS}) SELECT ${EVENT_COLUMNS} FROM ${STAGING}
     ON CONFLICT (tenant_id, id) DO UPDATE
     SET derived_by = EXCLUDED.derived_by,
       ${SAID_COLUMNS.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}
     WHERE e.tenant_id = $1 AND e.session_id = $2 AND e.derived_by IS NOT NULL
       AND (${ofOld}) IS DISTINCT FROM (${ofNew})`,
    values,
  )
}
