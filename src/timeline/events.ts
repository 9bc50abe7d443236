import type * as z from 'zod/mini'
import type { JsonObject, JsonValue } from '../schema/fields.ts'
import type { timelineEventKindSchema } from '../schema/timeline-event.ts'

export type TimelineEventKind = z.output<typeof timelineEventKindSchema>

/** One event derived from a log, before it belongs to a session. */
export interface DerivedEvent {
  /** Place among the log's events, from 0. */
  readonly seq: number
  readonly kind: TimelineEventKind
  readonly role: string | null
  readonly occurredAt: Date | null
  readonly title: string | null
  /** Preview of the text, at most 4,000 characters and a mark for what was left out. */
  readonly text: string | null
  readonly toolName: string | null
  readonly callId: string | null
  /** `seq` of the event this one belongs to: of a tool's result, its call. */
  readonly parentSeq: number | null
  /**
   * What else the log says, bounded in size, with the physical line number as `line` and, where the
   * event takes up several lines, the last one as `endLine`.
   */
  readonly data: JsonObject
}

/**
 * What a parser found, before it is made fit to store. Anything goes: what is of the wrong type
 * becomes null, long texts are cut, what Postgres cannot store is replaced.
 */
export interface EventDraft {
  readonly kind: TimelineEventKind
  readonly role?: string | undefined
  /** ISO 8601 text, or a `Date`. */
  readonly time?: unknown
  readonly title?: unknown
  readonly text?: string | undefined
  readonly toolName?: unknown
  readonly callId?: unknown
  /** Call id of the tool call this belongs to, where that is not `callId`: a sub-agent's. */
  readonly parentCallId?: unknown
  readonly data?: Readonly<Record<string, unknown>>
  /** Physical line the event starts on; left out, that of the line pushed last. */
  readonly line?: number
  /** Physical line the event ends on, if another one. */
  readonly endLine?: number
  /** That the parser could make no sense of this. Counted, and marked in the event's `data`. */
  readonly unparseable?: boolean
}

const TITLE_LIMIT = 300
const MAX_CALL_ID = 128

/** An event that can be stored as it is, and about how long it is, in UTF-16 code units. */
interface FinishedEvent {
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

const MAX_STRING = 4_000
const MAX_CHARACTERS = 32_000
const MAX_DEPTH = 20
/** What a long run of base64 looks like: no blank, and all sorts of characters. */
const BASE64 = /^(?=.{0,999}[0-9])(?=.{0,999}[a-z])(?=.{0,999}[A-Z])[\w+/-]{1000}/
const BASE64_URL = /^data:([\w.+-]+\/[\w.+-]+)[^,]{0,100};base64,/
const OPAQUE_KEYS: ReadonlySet<string> = new Set(['encrypted_content', 'signature'])

/** What became of an event's texts, in UTF-16 code units. */
interface Tally {
  /** How much is kept, about. */
  kept: number
  /** How much Postgres could not have stored. */
  replaced: number
}

interface Budget {
  left: number
  readonly onReplaced: (count: number) => void
}

/**
 * Copies a parsed JSON object so that jsonb can store it and it stays small: images and opaque
 * blobs become a note of their size, long strings are cut, and what exceeds 32,000 characters in
 * all or 20 levels is left out, each with a mark in its place.
 *
 * @param tally counts what was kept and what Postgres could not have stored.
 */
export function boundedJson(value: Readonly<Record<string, unknown>>, tally?: Tally): JsonObject {
  const budget = {
    left: MAX_CHARACTERS,
    onReplaced: (count: number) => {
      if (tally) tally.replaced += count
    },
  }
  const copied = copyObject(value, budget, 0)
  if (tally) tally.kept += MAX_CHARACTERS - budget.left
  return copied
}

function copy(value: unknown, budget: Budget, depth: number): JsonValue {
  if (typeof value === 'string') return copyString(value, budget)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'boolean' || typeof value !== 'object' || value === null) {
    return typeof value === 'boolean' ? value : null
  }
  if (depth >= MAX_DEPTH) return '[nested too deep]'
  return Array.isArray(value) ? copyArray(value, budget, depth) : copyObject(value, budget, depth)
}

function copyString(value: string, budget: Budget): string {
  const mediaType = BASE64_URL.exec(value)?.[1]
  if (mediaType !== undefined) return `[${mediaType}, ${value.length} characters of base64]`
  if (BASE64.test(value)) return `[${value.length} characters of base64]`
  if (budget.left <= 0) return value === '' ? '' : `[${value.length} characters left out]`
  const text = storableText(boundedText(value, MAX_STRING), budget.onReplaced)
  budget.left -= text.length
  return text
}

function copyArray(values: readonly unknown[], budget: Budget, depth: number): JsonValue {
  const copied: JsonValue[] = []
  for (const [index, value] of values.entries()) {
    if (budget.left <= 0) return [...copied, `[${values.length - index} elements left out]`]
    budget.left -= 1
    copied.push(copy(value, budget, depth + 1))
  }
  return copied
}

function copyObject(value: object, budget: Budget, depth: number): JsonObject {
  const copied = new Map<string, JsonValue>()
  const entries = Object.entries(value)
  for (const [index, [key, entry]] of entries.entries()) {
    if (budget.left <= 0) {
      copied.set('…', `[${entries.length - index} properties left out]`)
      break
    }
    const name = storableText(boundedText(key, 200), budget.onReplaced)
    budget.left -= name.length
    copied.set(name, OPAQUE_KEYS.has(key) ? opaque(entry) : copy(entry, budget, depth + 1))
  }
  return Object.fromEntries(copied)
}

function opaque(value: unknown): JsonValue {
  return typeof value === 'string' ? `[${value.length} opaque characters]` : null
}

/** Longest text preview, in UTF-16 code units. */
const PREVIEW_LIMIT = 4_000

const NOT_STORABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Most texts have none of these, and are told by one look. */
const SUSPECT = /[\0\uD800-\uDFFF]/

/**
 * Replaces what Postgres cannot store (U+0000 and lone surrogates) by U+FFFD.
 *
 * @param onReplaced hears how many characters were replaced, if any.
 */
export function storableText(text: string, onReplaced?: (count: number) => void): string {
  if (!SUSPECT.test(text)) return text
  let count = 0
  const storable = text.replace(NOT_STORABLE, () => {
    count += 1
    return '\uFFFD'
  })
  if (count > 0) onReplaced?.(count)
  return storable
}

/**
 * Cuts a long text and says how much is missing. Never cuts through a surrogate pair.
 *
 * @param limit in UTF-16 code units; what is kept has at most this many.
 * @example
 * boundedText('abcdef', 3) // 'abc… [3 more characters]'
 */
export function boundedText(text: string, limit: number = PREVIEW_LIMIT): string {
  if (text.length <= limit) return text
  const code = text.charCodeAt(limit - 1)
  const end = code >= 0xd800 && code <= 0xdbff ? limit - 1 : limit
  return `${text.slice(0, end)}… [${text.length - end} more characters]`
}
