import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import {
  idField,
  integerField,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonObjectField,
  textField,
} from './fields.ts'

/**
 * An edit of one part of a message. Edits name their part by index, so folding any number of them is linear:
 * of each part, the last `set` counts, with the later `merge`s and texts.
 */
export interface PartEdit {
  /** The part's index, from 0. Indexes that are never set are skipped. */
  readonly at: number
  /** Replaces the part; `{}` removes it. */
  readonly set?: JsonObject | undefined
  /** Replaces these properties of the part, except for `text`. */
  readonly merge?: JsonObject | undefined
}

/** The maximum number of parts in a streamed message. */
export const MAX_PARTS = 10_000

export const partEditSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    at: z.int().check(z.nonnegative(), z.maximum(MAX_PARTS - 1)),
    set: z.optional(jsonObjectField),
    merge: z.optional(jsonObjectField),
  }))()

// Edits are validated when they are appended.
const storedEditField = jsonObjectField as unknown as z.ZodMiniType<PartEdit, PartEdit>

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
    /** Text to append to the message, or to the part that `part` names. */
    delta: textField,
    part: z.nullable(storedEditField),
    createdAt: z.date(),
    /** UTF-8 bytes of the message including this delta. */
    totalBytes: integerField,
  }))()

export type ChatMessageDeltaRow = z.output<typeof chatMessageDeltaRowSchema>

/** A delta of a streamed message: text for the message or, with `part`, for one of its parts. */
export interface MessageDelta {
  readonly delta: string
  readonly part?: PartEdit | null | undefined
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
    totalBytes: column('total_bytes', 'integer', { default: '0', synced: false }),
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
 * Converts a message to an AI SDK `UIMessage`. A message without parts gets its content as a text part. The
 * role `tool`, which the SDK doesn't have, becomes `assistant`.
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

/** The content of a streamed message. */
export interface StreamedContent {
  /** The text of the message: of its text parts if it has parts. */
  readonly content: string
  /** AI SDK `UIMessage` parts; empty as long as the message is only text. */
  readonly parts: readonly JsonValue[]
}

/** A message while deltas are folded into it. */
export interface FoldState {
  /** The message before the first delta; undefined after it. */
  readonly untouched: StreamedContent | undefined
  /** The text outside of parts. It becomes the first part once there are others. */
  readonly lead: string
  /** The parts by their index in `PartEdit`; `{}` for a part that was removed or never set. */
  readonly slots: readonly JsonObject[]
}

const REMOVED: JsonObject = {}

/** Starts to fold deltas into a message. */
export function startFold(message: StreamedContent): FoldState {
  const { content, parts } = message
  return {
    untouched: message,
    lead: parts.length === 0 ? content : '',
    slots: parts.map((part) => (isJsonObject(part) ? part : REMOVED)),
  }
}

/**
 * Folds one delta into a message. The trigger function `session_db_fold_deltas` is its twin, which folds all
 * deltas of a message with one statement when the stream ends.
 *
 * @example
 * const state = foldDelta(startFold({ content: 'Hel', parts: [] }), { delta: 'lo' })
 * folded(state) // { content: 'Hello', parts: [] }
 */
export function foldDelta(state: FoldState, { delta, part }: MessageDelta): FoldState {
  if (part === null || part === undefined) {
    if (delta === '') return state
    return { untouched: undefined, lead: state.lead + delta, slots: state.slots }
  }
  const { text: _, ...merged } = part.merge ?? {}
  const before = part.set ?? state.slots[part.at] ?? REMOVED
  const slots = [...state.slots]
  while (slots.length < part.at) slots.push(REMOVED)
  slots[part.at] = withText({ ...before, ...merged }, delta)
  return { untouched: undefined, lead: state.lead, slots }
}

/** Returns the message's content and parts as folded so far. */
export function folded({ untouched, lead, slots }: FoldState): StreamedContent {
  if (untouched !== undefined) return { content: untouched.content, parts: untouched.parts }
  const kept = slots.filter((slot) => Object.keys(slot).length > 0)
  if (kept.length === 0) return { content: lead, parts: [] }
  const parts = lead === '' ? kept : [{ type: 'text', text: lead }, ...kept]
  return { content: parts.map(textOf).join(''), parts }
}

const OPEN_STATES = [
  'input-streaming',
  'input-available',
  'approval-requested',
  'approval-responded',
]

/**
 * Closes the tool calls that a message ended in: a model refuses a thread with a call that has no result. The
 * function `session_db_closed_calls` is its twin, which runs when a stream fails, is stopped or abandoned.
 */
export function closedCalls(parts: readonly JsonValue[]): readonly JsonValue[] {
  return parts.map((part) => {
    if (!isJsonObject(part) || typeof part.toolCallId !== 'string') return part
    if (!OPEN_STATES.includes(String(part.state))) return part
    const errorText = 'The answer ended before this tool call did.'
    return { ...part, state: 'output-error', errorText }
  })
}

/** Folds deltas into a message's content and parts. */
export function foldDeltas(
  message: StreamedContent,
  deltas: readonly MessageDelta[],
): StreamedContent {
  return folded(deltas.reduce(foldDelta, startFold(message)))
}

function withText(part: JsonObject, delta: string): JsonObject {
  if (delta === '') return part
  const { type = 'text', text } = part
  return { ...part, type, text: (typeof text === 'string' ? text : '') + delta }
}

function textOf({ type, text }: JsonObject): string {
  return type === 'text' && typeof text === 'string' ? text : ''
}
