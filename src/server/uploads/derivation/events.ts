import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { MAX_ID_LENGTH } from '../../../schema/fields.ts'
import type { DerivedBatch, EventAmendment } from '../../../timeline/derive-timeline.ts'
import type { DerivedEvent } from '../../../timeline/events.ts'
import { copyLine } from '../../copy-text.ts'

/** The columns that a parser fills. */
const PARSED_COLUMNS = [
  'kind',
  'role',
  'occurred_at',
  'title',
  'text',
  'tool_name',
  'call_id',
  'parent_id',
  'fold',
  'data',
  'more_words',
]

/** The columns of a derived event, in the order of `eventLines`. */
const EVENT_COLUMNS = [
  ...['tenant_id', 'session_id', 'derived_by', 'id', 'seq'],
  ...PARSED_COLUMNS,
].join(', ')

const STAGING = 'pg_temp.session_db_derived_events'

/** Writes a session's derived events, in order. */
interface EventWriter {
  /** Assigns places to the next events and serialises them for `write`. */
  prepare(batch: Pick<DerivedBatch, 'events' | 'moreWords'>): Buffer
  /** Writes prepared events in one statement. */
  write(lines: Buffer): Promise<void>
  /** Changes events that were written before. */
  amend(amendments: readonly EventAmendment[]): Promise<void>
  /** Deletes derived events that were not written again. */
  end(): Promise<void>
}

/**
 * Opens a writer of a session's derived events in the caller's transaction. Each event gets the next
 * seq that no event of the app uses. If the session already has events, the new ones go to a staging table
 * first and only differences are written, so unchanged events and those that a user has changed are kept.
 */
export async function openEventWriter(
  client: ClientBase,
  target: EventsOrigin,
): Promise<EventWriter> {
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM timeline_events
       WHERE tenant_id = $1 AND session_id = $2) AS found`,
    [target.tenantId, target.sessionId],
  )
  const replaces = rows[0]?.found === true
  if (replaces) await client.query(CREATE_STAGING)
  const taken = await takenPlaces(client, target)
  let seq = 0
  // Places of events that moved because events of the app are in between.
  const moved = new Map<number, number>()
  const place = (event: DerivedEvent): DerivedEvent => {
    while (taken.has(seq)) seq += 1
    if (seq !== event.seq) moved.set(event.seq, seq)
    const parentSeq = event.parentSeq === null ? null : moved.get(event.parentSeq)
    return { ...event, seq: seq++, parentSeq: parentSeq ?? event.parentSeq }
  }
  return {
    prepare: ({ events, moreWords }) =>
      eventLines(
        target,
        events.map((event) => ({ ...place(event), moreWords: moreWords.get(event.seq) ?? '' })),
      ),
    write: (lines) => insertEvents(client, lines, replaces ? STAGING : undefined),
    async amend(amendments) {
      if (amendments.length === 0) return
      await client.query(
        `UPDATE ${replaces ? STAGING : 'timeline_events'} AS event
         SET fold = coalesce(change.fold, event.fold), kind = coalesce(change.kind, event.kind),
           role = coalesce(change.role, event.role)
         FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS change (id, fold, kind, role)
         WHERE event.tenant_id = $1 AND event.session_id = $2 AND event.id = change.id`,
        [
          ...[target.tenantId, target.sessionId],
          amendments.map(({ seq: at }) => timelineEventId(target.sessionId, moved.get(at) ?? at)),
          ...(['fold', 'kind', 'role'] as const).map((name) =>
            amendments.map(({ [name]: value }) => value ?? null),
          ),
        ],
      )
    },
    async end() {
      if (replaces) await replaceEvents(client, target)
    },
  }
}

/**
 * Finds the places of the app's own events. A derived event that was edited belongs to the app from
 * then on and keeps its place, which the new derivation leaves out in the same way.
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
  const ofOld = PARSED_COLUMNS.map((name) => `e.${name}`).join(', ')
  const ofNew = PARSED_COLUMNS.map((name) => `EXCLUDED.${name}`).join(', ')
  await client.query(
    `INSERT INTO timeline_events AS e (${EVENT_COLUMNS}) SELECT ${EVENT_COLUMNS} FROM ${STAGING}
     ON CONFLICT (tenant_id, id) DO UPDATE
     SET derived_by = EXCLUDED.derived_by,
       ${PARSED_COLUMNS.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}
     WHERE e.tenant_id = $1 AND e.session_id = $2 AND e.derived_by IS NOT NULL
       AND (${ofOld}) IS DISTINCT FROM (${ofNew})`,
    values,
  )
}

/** Returns the id of a session's event. It depends on the place only, so deriving twice is idempotent. */
export function timelineEventId(sessionId: string, seq: number): string {
  const id = `${sessionId}:${seq}`
  if (id.length <= MAX_ID_LENGTH) return id
  return `${createHash('sha256').update(sessionId).digest('hex')}:${seq}`
}

/** The session that events belong to, and the version that derived them. */
interface EventsOrigin {
  readonly tenantId: string
  readonly sessionId: string
  readonly derivedBy: string | null
}

/** A derived event with the words that only the search needs. */
interface StoredEvent extends DerivedEvent {
  readonly moreWords?: string | null
}

/** Serialises events in COPY's text format. */
export function eventLines(
  { tenantId, sessionId, derivedBy }: EventsOrigin,
  events: readonly StoredEvent[],
): Buffer {
  const lineOf = ({ parentSeq, occurredAt, ...event }: StoredEvent) =>
    copyLine([
      ...[tenantId, sessionId, derivedBy],
      ...[timelineEventId(sessionId, event.seq), event.seq, event.kind, event.role],
      ...[occurredAt?.toISOString() ?? null, event.title, event.text],
      ...[event.toolName, event.callId],
      parentSeq === null ? null : timelineEventId(sessionId, parentSeq),
      ...[event.fold, JSON.stringify(event.data), event.moreWords ?? null],
    ])
  return Buffer.from(events.map(lineOf).join(''))
}

/**
 * Inserts events with one COPY. The client must not pipeline its queries.
 *
 * @param table a table with the same columns
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
