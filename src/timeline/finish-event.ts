import type { JsonObject, JsonValue } from '../schema/fields.ts'
import { boundedJson, type Tally } from './bounded-json.ts'
import type { DerivedEvent, EventDraft } from './derived-event.ts'
import { boundedText, storableText } from './storable-text.ts'

const TITLE_LIMIT = 300
const MAX_CALL_ID = 128

/** An event that can be stored as it is, and about how long it is, in UTF-16 code units. */
export interface FinishedEvent {
  readonly event: DerivedEvent
  readonly size: number
}

/** Makes a draft fit to store: bounded, without what Postgres cannot hold. */
export function finishEvent(
  draft: EventDraft,
  place: Pick<DerivedEvent, 'seq' | 'parentSeq'> & { readonly line: number },
): FinishedEvent {
  const tally: Tally = { kept: 0, replaced: 0 }
  const countReplaced = (count: number) => {
    tally.replaced += count
  }
  const text = (value: unknown, limit?: number): string | null => {
    if (typeof value !== 'string') return null
    const kept = storableText(boundedText(value, limit), countReplaced)
    tally.kept += kept.length
    return kept
  }
  const event = {
    seq: place.seq,
    kind: draft.kind,
    role: text(draft.role, MAX_CALL_ID),
    occurredAt: parseTime(draft.time),
    title: text(draft.title, TITLE_LIMIT),
    text: text(draft.text),
    toolName: text(draft.toolName, TITLE_LIMIT),
    callId: text(draft.callId, MAX_CALL_ID),
    parentSeq: place.parentSeq,
  }
  const data = {
    ...withoutOurNames(boundedJson(draft.data ?? {}, tally)),
    ...(draft.unparseable === true ? { unparseable: true } : {}),
    ...(tally.replaced > 0 ? { replacedCharacters: tally.replaced } : {}),
    line: place.line,
    ...(draft.endLine !== undefined && draft.endLine > place.line
      ? { endLine: draft.endLine }
      : {}),
  }
  return { event: { ...event, data }, size: tally.kept }
}

/** What the library says of an event; a log's own properties of these names are kept in `logged`. */
const OUR_NAMES = ['line', 'endLine', 'unparseable', 'replacedCharacters'] as const

function withoutOurNames(data: JsonObject): JsonObject {
  if (!OUR_NAMES.some((name) => name in data)) return data
  const logged: Record<string, JsonValue> = {}
  const rest = { ...data }
  for (const name of OUR_NAMES) {
    const value = rest[name]
    if (value === undefined) continue
    logged[name] = value
    delete rest[name]
  }
  return { ...rest, logged }
}

/** A time as logs write it, within the years that Postgres and JavaScript share. */
export function parseTime(value: unknown): Date | null {
  const time = value instanceof Date ? value : isoTime(value)
  if (time === null || Number.isNaN(time.getTime())) return null
  return time.getUTCFullYear() < 1 || time.getUTCFullYear() > 9999 ? null : time
}

function isoTime(value: unknown): Date | null {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value) : null
}
