import { sql } from 'kysely'
import { countField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { TimelineEventRow, WholeEvent } from '../../schema/timeline-event.ts'
import { HEAD_BYTES, isPlainText, readLog } from '../../timeline/content.ts'
import type { EventDraft } from '../../timeline/events.ts'
import { storableText } from '../../timeline/events.ts'
import { isRecord, parseJson, readJsonLine } from '../../timeline/json.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { UploadContext } from './upload-state.ts'

interface EventRow extends Omit<WholeEvent, 'raw'> {
  readonly contentRef: string | null
  readonly format: string
}

/** Most of a log that one event is read from, in bytes. */
const MAX_RAW_BYTES = 16 * 1024 * 1024

/**
 * Reads an event whole, from the session's content where the event keeps only a part of its text.
 *
 * @throws SessionDbError `not_found` when there is no such event or the principal may not see it,
 * `invalid` for a `seq` that is none.
 */
export async function readEvent<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  sessionId: string,
  seq: number,
): Promise<WholeEvent> {
  if (!countField.safeParse(seq).success || seq > 2_147_483_647) {
    throw new SessionDbError('invalid', 'seq must be the place of an event, from 0.')
  }
  const statement = sql`
    SELECT event.id, event.session_id AS "sessionId", event.seq, event.kind, event.role,
      event.occurred_at AS "occurredAt", event.title, event.text, event.tool_name AS "toolName",
      event.call_id AS "callId", event.data, session.content_ref AS "contentRef", session.format
    FROM timeline_events AS event
    JOIN sessions AS session
      ON session.tenant_id = event.tenant_id AND session.id = event.session_id
    WHERE event.tenant_id = ${principal.tenantId} AND event.session_id = ${sessionId}
      AND event.seq = ${seq} AND (${context.policy.see(principal)})`
  const { rows } = await context.pool.query(context.preparer.prepare(statement))
  const row = rows[0] as EventRow | undefined
  if (row === undefined) {
    throw new SessionDbError('not_found', 'The event does not exist or is not shared with you.')
  }
  const { contentRef, format, ...event } = row
  const raw =
    contentRef === null ? null : await readLines(context, principal, contentRef, event.data)
  if (raw === null) return { ...event, raw }
  const { parsers } = context
  const parser = parsers.find((each) => each.format === format) ?? parsers.at(-1)
  return { ...event, raw, text: wholeText(event.text, raw, parser) }
}

async function readLines<P extends Principal>(
  { contents }: UploadContext<P>,
  { tenantId }: P,
  contentRef: string,
  { bytes }: TimelineEventRow['data'],
): Promise<string | null> {
  const [start, end] = Array.isArray(bytes) ? bytes : []
  if (typeof start !== 'number' || typeof end !== 'number' || end <= start) return null
  const { store, key } = contents.locate(tenantId, contentRef)
  const last = Math.min(end, start + MAX_RAW_BYTES)
  const head = await collect(store.get(key, { start: 0, end: HEAD_BYTES }))
  // Ranges are those of the unpacked text, so packed content is read from its start.
  const raw = isPlainText(head)
    ? await collect(store.get(key, { start, end: last }))
    : await collect(rangeOf(readLog(store.get(key)), start, last))
  return new TextDecoder().decode(raw)
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const bytes of content) chunks.push(bytes)
  return Buffer.concat(chunks)
}

async function* rangeOf(
  content: AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let position = 0
  for await (const bytes of content) {
    const from = Math.max(0, start - position)
    if (from < bytes.length) yield bytes.subarray(from, Math.max(from, end - position))
    position += bytes.length
    if (position >= end) return
  }
}

/** Returns the text that a preview was cut from; the preview where the lines don't contain it. */
function wholeText(
  preview: string | null,
  raw: string,
  parser: TimelineParser | undefined,
): string | null {
  const cut = /… \[(\d{1,12}) more characters\]$/.exec(preview ?? '')
  if (preview === null || cut === null) return preview
  const kept = preview.slice(0, cut.index)
  const length = kept.length + Number(cut[1])
  const isWhole = (text: string) => text.length === length && storableText(text).startsWith(kept)
  for (const { text } of draftsOf(raw, parser)) {
    if (text !== undefined && isWhole(text)) return storableText(text)
  }
  for (const part of readJsonLine(raw.trim().replace(/,$/, ''))) {
    const found = 'value' in part ? findString(part.value, isWhole) : undefined
    if (found !== undefined) return storableText(found)
  }
  return isWhole(raw.trimEnd()) ? storableText(raw.trimEnd()) : preview
}

/** Derives the lines again, alone and as the only message of a document. */
function* draftsOf(raw: string, parser: TimelineParser | undefined): Generator<EventDraft> {
  const message = raw.trim().replace(/,$/, '')
  for (const text of [raw.trimEnd(), `{"messages":[${message}]}`, `[${message}]`]) {
    const run = parser?.create()
    if (run === undefined) return
    const lines = text.split('\n').map((line, index) => ({ number: index + 1, text: line }))
    for (const line of lines) {
      for (const output of run.push({ ...line, truncated: false, continues: false })) {
        if (!('amend' in output)) yield output
      }
    }
    for (const output of run.finish()) if (!('amend' in output)) yield output
  }
}

/** Values that are searched for a text. */
const MAX_VALUES = 100_000

/** Finds a string in a value, and in JSON that the value holds as text. */
function findString(value: unknown, matches: (text: string) => boolean): string | undefined {
  const open = [value]
  for (let count = 0; open.length > 0 && count < MAX_VALUES; count++) {
    const next = open.pop()
    if (typeof next === 'string') {
      if (matches(next)) return next
      if (/^\s*[{[]/.test(next)) open.push(parseJson(next))
    } else if (Array.isArray(next)) open.push(...next.slice(0, MAX_VALUES))
    else if (isRecord(next)) open.push(...Object.values(next).slice(0, MAX_VALUES))
  }
  return undefined
}
