import * as z from 'zod/mini'
import type { JsonObject, JsonValue } from './fields.ts'

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

const streamStateSchema = /* @__PURE__ */ (() =>
  z.object({
    writer: z.optional(z.string()),
    from: z.optional(z.int().check(z.nonnegative(), z.maximum(999_999_999))),
    error: z.optional(
      z.object({ code: z.enum(['failed', 'aborted', 'abandoned']), message: z.string() }),
    ),
  }))()

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
