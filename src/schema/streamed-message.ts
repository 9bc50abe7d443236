import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import {
  idField,
  integerField,
  type JsonObject,
  type JsonValue,
  jsonObjectField,
  textField,
} from './fields.ts'

/**
 * A row of `chat_message_deltas`: a piece of a message that is being streamed. Rows are never updated. When
 * the stream ends, the database folds them into the message and deletes them.
 */
export const chatMessageDeltaRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    messageId: idField,
    /** Numbers the pieces of a message without gaps. */
    seq: integerField,
    sessionId: idField,
    /** The time window in which the message was created; see `streamEpoch`. */
    epoch: textField,
    /** Text that follows what is there: of the answer, or of the `part` when there is one. */
    delta: textField,
    /** A part of the message that is not text: begun, or replaced when its tool call is known. */
    part: z.nullable(jsonObjectField),
    createdAt: z.date(),
  }))()

export type ChatMessageDeltaRow = z.output<typeof chatMessageDeltaRowSchema>

/** What a delta adds to a message. */
export interface MessageDelta {
  readonly delta: string
  readonly part?: JsonObject | null | undefined
}

export const chatMessageDeltaColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    messageId: column('message_id', 'text'),
    seq: column('seq', 'integer'),
    sessionId: column('session_id', 'text', { synced: false }),
    epoch: column('epoch', 'text', { synced: false }),
    delta: column('delta', 'text'),
    part: column('part', 'jsonb', { nullable: true }),
    createdAt: column('created_at', 'timestamp with time zone', {
      default: 'now()',
      synced: false,
    }),
  }) as const satisfies ColumnMap<keyof ChatMessageDeltaRow>)()

/** The length of a stream epoch, in ms. */
export const STREAM_EPOCH_MS = 300_000

/**
 * Returns a message's epoch: the five-minute window in which it was created. Deltas are replicated by session
 * and epoch, so a client that opens a session during an answer doesn't download the deltas of earlier answers.
 *
 * @example
 * streamEpoch(new Date('2024-05-01T10:00:00Z')) // '5715288'
 */
export function streamEpoch(createdAt: Date): string {
  return String(Math.floor(createdAt.getTime() / STREAM_EPOCH_MS))
}

/** The reason why a message ended before it was complete. */
export interface StreamError {
  /** `failed` and `aborted` are set by the writer, `abandoned` by the server when the writer is gone. */
  readonly code: 'failed' | 'aborted' | 'abandoned'
  /** Shown to users. */
  readonly message: string
}

/** The state of a message's stream, stored in `metadata.stream` until the message is complete. */
export interface StreamState {
  /** The writer that may append. A new writer takes over from the previous one. */
  readonly writer?: string
  /** The number of the first delta that isn't folded into `content` and `parts` yet. */
  readonly from?: number
  readonly error?: StreamError
}

const streamStateSchema = /* @__PURE__ */ (() =>
  z.object({
    writer: z.optional(z.string()),
    from: z.optional(z.int().check(z.nonnegative(), z.maximum(999_999_999))),
    error: z.optional(
      z.object({ code: z.enum(['failed', 'aborted', 'abandoned']), message: z.string() }),
    ),
  }))()

/**
 * Reads the stream state from a message's metadata. Returns an empty object if there is none.
 *
 * @example
 * streamStateOf(message.metadata).error?.message
 */
export function streamStateOf(metadata: JsonObject): StreamState {
  const parsed = streamStateSchema.safeParse(metadata.stream)
  return parsed.success ? (parsed.data as StreamState) : {}
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
  if (typeof one.toolCallId === 'string') return false
  return typeof other.id === 'string' && one.type === other.type && one.id === other.id
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
