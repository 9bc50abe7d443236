import type { MessageDelta } from './chat-message-delta.ts'
import type { JsonObject, JsonValue } from './fields.ts'

/** What of a message grows while it is streamed. */
export interface StreamedContent {
  readonly content: string
  /** AI SDK `UIMessage` parts; empty as long as the message is nothing but text. */
  readonly parts: readonly JsonValue[]
}

/**
 * Adds a delta to what a message holds. The database does the same when the stream ends
 * (`session_db_fold_deltas`): the two must agree.
 *
 * @example
 * foldDelta({ content: 'Hel', parts: [] }, { delta: 'lo' }) // { content: 'Hello', parts: [] }
 */
export function foldDelta(
  { content, parts }: StreamedContent,
  { delta, part }: MessageDelta,
): StreamedContent {
  if (part === null || part === undefined) {
    const grown = parts.length === 0 ? parts : withText(parts, { type: 'text' }, delta)
    return { content: content + delta, parts: grown }
  }
  const before = parts.length === 0 && content !== '' ? [{ type: 'text', text: content }] : parts
  return { content, parts: delta === '' ? withPart(before, part) : withText(before, part, delta) }
}

/** Text goes to the last part when that is of the same type, else to a new one. */
function withText(
  parts: readonly JsonValue[],
  part: JsonObject,
  delta: string,
): readonly JsonValue[] {
  const last = parts.at(-1)
  if (!isObject(last) || last.type !== part.type) return [...parts, { ...part, text: delta }]
  const text = typeof last.text === 'string' ? last.text : ''
  return [...parts.slice(0, -1), { ...last, text: text + delta }]
}

/** A part replaces the one of the same tool call, or of the same type and id. */
function withPart(parts: readonly JsonValue[], part: JsonObject): readonly JsonValue[] {
  const place = parts.findIndex((other) => isObject(other) && isSamePart(other, part))
  return place < 0 ? [...parts, part] : parts.with(place, part)
}

function isSamePart(one: JsonObject, other: JsonObject): boolean {
  if (typeof other.toolCallId === 'string') return one.toolCallId === other.toolCallId
  return typeof other.id === 'string' && one.type === other.type && one.id === other.id
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
