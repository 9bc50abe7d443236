import type * as z from 'zod/mini'
import { cutText } from '../schema/cut-text.ts'
import type { JsonObject, JsonValue } from '../schema/fields.ts'
import type { timelineEventKindSchema } from '../schema/timeline-event.ts'
import { searchWords } from './search-words.ts'

export type TimelineEventKind = z.output<typeof timelineEventKindSchema>

/**
 * Why a view may fold an event: injected context, no text, a copy of another event, history replayed from a
 * parent session, a branch that was not continued, or a part that was taken back.
 */
export type Fold = 'context' | 'blank' | 'duplicate' | 'replayed' | 'abandoned' | 'rewound'

/** One event derived from a log, before it belongs to a session. */
export interface DerivedEvent {
  /** Position among the log's events, from 0. */
  readonly seq: number
  readonly kind: TimelineEventKind
  readonly role: string | null
  readonly occurredAt: Date | null
  readonly title: string | null
  /** Text, cut at 4,000 characters with a note of how much is missing. */
  readonly text: string | null
  readonly toolName: string | null
  readonly callId: string | null
  /** `seq` of the parent event: the call of a tool result. */
  readonly parentSeq: number | null
  /** Why a view may fold the event; null for the conversation itself. */
  readonly fold: Fold | null
  /**
   * Other properties of the record, bounded in size. `line` is the physical line number, `endLine` the
   * last line of an event that spans several, `bytes` the range of these lines in the log.
   */
  readonly data: JsonObject
}

/**
 * An event as a parser returns it, before it is sanitised: values of a wrong type become null, long
 * texts are cut, and characters Postgres cannot store are replaced.
 */
export interface EventDraft {
  readonly kind: TimelineEventKind
  readonly role?: string | undefined
  /** ISO 8601 text, a `Date`, or a Unix time in seconds, milliseconds or microseconds. */
  readonly time?: unknown
  readonly title?: unknown
  readonly text?: string | undefined
  readonly toolName?: unknown
  readonly callId?: unknown
  /** Call id of the parent tool call if it isn't `callId`, for example that of a sub-agent. */
  readonly parentCallId?: unknown
  readonly data?: Readonly<Record<string, unknown>>
  /** Physical line the event starts on. Default: the line pushed last. */
  readonly line?: number
  /** Physical line the event ends on, if different. */
  readonly endLine?: number
  /** Why a view may fold the event. Default: `blank` for a message, reasoning or result without text. */
  readonly fold?: Fold | undefined
  /** Names the event for amendments; several events may share a key. */
  readonly key?: string | undefined
  /** True for a record the parser could not read. Counted, and marked in the event's `data`. */
  readonly unparseable?: boolean
}

/**
 * A change to events that were returned before, for logs that take parts back later: a rewind, a branch
 * that was abandoned.
 */
export interface Amendment {
  /** The `key` of the events to change. */
  readonly amend: string
  readonly set: { readonly fold?: Fold; readonly kind?: TimelineEventKind; readonly role?: string }
}

const TITLE_LIMIT = 300
const MAX_CALL_ID = 128

/** A storable event and its approximate size in UTF-16 code units. */
interface FinishedEvent {
  readonly event: DerivedEvent
  readonly size: number
  /** Words for the search index beside those of the text; see `searchWords`. */
  readonly moreWords?: string
}

/** Sanitises a draft: bounds its size and replaces characters Postgres cannot store. */
export function finishEvent(
  draft: EventDraft,
  place: Pick<DerivedEvent, 'seq' | 'parentSeq'> & {
    readonly line: number
    readonly bytes?: readonly [start: number, end: number] | undefined
  },
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
    fold: draft.fold ?? (isBlank(draft) ? ('blank' as const) : null),
  }
  const data = {
    ...withoutOurNames(boundedJson(draft.data ?? {}, tally)),
    ...(draft.unparseable === true ? { unparseable: true } : {}),
    ...(tally.replaced > 0 ? { replacedCharacters: tally.replaced } : {}),
    line: place.line,
    ...(draft.endLine !== undefined && draft.endLine > place.line
      ? { endLine: draft.endLine }
      : {}),
    ...(place.bytes === undefined ? {} : { bytes: [...place.bytes] }),
  }
  const named = [draft.title, draft.toolName].filter((name) => typeof name === 'string').join(' ')
  const words = [searchWords(named, named.length), searchWords(draft.text ?? '', PREVIEW_LIMIT)]
  const more = storableText(words.filter((word) => word !== '').join(' '))
  return {
    event: { ...event, data },
    size: tally.kept + more.length,
    ...(more === '' ? {} : { moreWords: more }),
  }
}

/** Kinds that are nothing without text. */
const SPOKEN: ReadonlySet<TimelineEventKind> = new Set(['message', 'reasoning', 'tool_result'])

/** A character that is not invisible. */
const SEEN = /[^\s\u200B-\u200F\u2060\uFEFF]/

function isBlank({ kind, text, title }: EventDraft): boolean {
  return SPOKEN.has(kind) && !SEEN.test(text ?? '') && typeof title !== 'string'
}

/** Properties the library adds to `data`; a log's own properties of these names move to `logged`. */
const OUR_NAMES = ['line', 'endLine', 'bytes', 'unparseable', 'replacedCharacters'] as const

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

/** Parses a time, within the years that both Postgres and JavaScript support. */
export function parseTime(value: unknown): Date | null {
  const time =
    value instanceof Date ? value : typeof value === 'string' ? isoTime(value) : unixTime(value)
  if (time === null || Number.isNaN(time.getTime())) return null
  return time.getUTCFullYear() < 1 || time.getUTCFullYear() > 9999 ? null : time
}

/** A time without zone is UTC: the server's zone says nothing about the agent's. */
function isoTime(text: string): Date | null {
  if (text.length > 40) return null
  if (/^\d{10}(?:\.\d+)?$|^\d{13}$/.test(text)) return unixTime(Number(text))
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d/.test(text)) return null
  const hasZone = /(?:Z|[+-]\d\d:?\d\d| UTC)$/i.test(text)
  return new Date(`${text.replace(' ', 'T').replace(/ UTC$/, 'Z')}${hasZone ? '' : 'Z'}`)
}

/** Tells seconds, milliseconds and microseconds apart by magnitude: all are read as 2001 to 2286. */
function unixTime(value: unknown): Date | null {
  if (typeof value !== 'number' || !(value >= 1e9 && value < 1e16)) return null
  return new Date(value < 1e10 ? value * 1_000 : value < 1e13 ? value : value / 1_000)
}

const MAX_STRING = 4_000
const MAX_CHARACTERS = 32_000
const MAX_DEPTH = 20
/** A long run of base64: no blanks, and digits, lower and upper case mixed. */
const BASE64 = /^(?=.{0,999}[0-9])(?=.{0,999}[a-z])(?=.{0,999}[A-Z])[\w+/-]{1000}/
const BASE64_URL = /^data:([\w.+-]+\/[\w.+-]+)[^,]{0,100};base64,/
const OPAQUE_KEYS: ReadonlySet<string> = new Set(['encrypted_content', 'signature'])

/** Counts over an event's texts, in UTF-16 code units. */
interface Tally {
  /** Approximate size that was kept. */
  kept: number
  /** Characters that Postgres could not have stored. */
  replaced: number
}

interface Budget {
  left: number
  readonly onReplaced: (count: number) => void
}

/**
 * Copies a parsed JSON object within bounds, as jsonb can store it: images and opaque blobs become a
 * note of their size, long strings are cut, and everything beyond 32,000 characters or 20 levels is
 * replaced by a note.
 *
 * @param tally counts kept and replaced characters
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
  const mediaType = BASE64_URL.exec(value.slice(0, 300))?.[1]
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

/** A cheap first test: most texts contain none of these. */
const SUSPECT = /[\0\uD800-\uDFFF]/

/**
 * Replaces what Postgres cannot store (U+0000 and lone surrogates) by U+FFFD.
 *
 * @param onReplaced called with the number of replaced characters, if any
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
 * Cuts a long text and appends how much is missing. Never splits a surrogate pair.
 *
 * @param limit in UTF-16 code units
 * @example
 * boundedText('abcdef', 3) // 'abc… [3 more characters]'
 */
export function boundedText(text: string, limit: number = PREVIEW_LIMIT): string {
  if (text.length <= limit) return text
  const start = cutText(text, limit)
  return `${start}… [${text.length - start.length} more characters]`
}
