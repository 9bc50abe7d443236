import { z } from 'zod'
import type { MessageDelta } from './chat-message-delta.ts'
import type { JsonObject, JsonValue } from './fields.ts'

/** What of a message grows while it is streamed. */
export interface StreamedContent {
  readonly content: string
  /** AI SDK `UIMessage` parts; empty as long as the message is nothing but text. */
  readonly parts: readonly JsonValue[]
}

/** Why a message ended before it was complete. */
export interface StreamError {
  /** `failed` and `aborted` are the writer's word; `abandoned` means that the writer was gone. */
  readonly code: 'failed' | 'aborted' | 'abandoned'
  /** For people. */
  readonly message: string
}

/** What a message says of its stream, under `metadata.stream`; gone once it is complete. */
export interface StreamState {
  /** Who may append. A new writer puts an end to the one before it. */
  readonly writer?: string
  /** Deltas before this one are in `content` and `parts` already. */
  readonly from?: number
  readonly error?: StreamError
}

const streamStateSchema = z.object({
  writer: z.string().optional(),
  from: z.number().int().nonnegative().max(999_999_999).optional(),
  error: z
    .object({ code: z.enum(['failed', 'aborted', 'abandoned']), message: z.string() })
    .optional(),
})

/**
 * Reads what a message says of its stream; empty when it says nothing.
 *
 * @example
 * streamStateOf(message.metadata).error?.message
 */
export function streamStateOf(metadata: JsonObject): StreamState {
  const parsed = streamStateSchema.safeParse(metadata.stream)
  return parsed.success ? (parsed.data as StreamState) : {}
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

/** A message in the form of the AI SDK's `UIMessage`. */
export interface UIMessageLike {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant'
  readonly metadata: JsonObject
  readonly parts: readonly JsonValue[]
}

/**
 * Turns a message into an AI SDK `UIMessage`. One that is nothing but text has no parts of its own:
 * its content becomes the one text part. The role `tool`, which the SDK does not have, becomes
 * `assistant`.
 *
 * @example
 * const messages = rows.map(toUIMessage)
 */
export function toUIMessage(message: {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly metadata: JsonObject
  readonly content: string
  readonly parts: readonly JsonValue[]
}): UIMessageLike {
  const { id, role, metadata, content, parts } = message
  const text = content === '' ? [] : [{ type: 'text', text: content }]
  return {
    id,
    role: role === 'tool' ? 'assistant' : role,
    metadata,
    parts: parts.length === 0 ? text : parts,
  }
}
