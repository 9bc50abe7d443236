import * as z from 'zod/mini'
import {
  idField,
  type JsonObject,
  type JsonValue,
  jsonField,
  jsonObjectField,
  textUpTo,
} from '../schema/fields.ts'

/** A user's answer to a tool call that needs approval. */
export interface ApprovalDecision {
  /** The id of the approval, not of the tool call. */
  readonly id: string
  readonly approved: boolean
  readonly reason?: string | undefined
}

/** The result of a tool that ran in the browser. */
export interface ClientToolResult {
  readonly toolCallId: string
  readonly output?: JsonValue | undefined
  /** Set if the tool failed. */
  readonly errorText?: string | undefined
}

/**
 * A request of `createChatTransport` to `createChatHandler`: answer a message, continue an answer after approvals
 * and results of tools in the browser, or stop an answer.
 */
export type ChatRequest =
  | {
      readonly type: 'answer'
      readonly threadId: string
      /** The message to answer. */
      readonly messageId: string
      readonly body?: JsonObject | undefined
    }
  | {
      readonly type: 'continue'
      readonly threadId: string
      /** The answer to continue. */
      readonly messageId: string
      readonly decisions: readonly ApprovalDecision[]
      readonly results: readonly ClientToolResult[]
      readonly body?: JsonObject | undefined
    }
  | { readonly type: 'stop'; readonly messageId: string }

/** The answer that was started or continued, and its version from then on. */
export interface ChatReply {
  readonly id: string
  readonly version: number
}

export const chatRequestSchema = /* @__PURE__ */ (() => {
  const shortText = textUpTo(10_000)
  const target = { threadId: idField, messageId: idField, body: z.optional(jsonObjectField) }
  const decision = z.strictObject({
    id: shortText,
    approved: z.boolean(),
    reason: z.optional(shortText),
  })
  const result = z.strictObject({
    toolCallId: shortText,
    output: z.optional(jsonField),
    errorText: z.optional(shortText),
  })
  return z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('answer'), ...target }),
    z.strictObject({
      type: z.literal('continue'),
      ...target,
      decisions: z.array(decision).check(z.maxLength(1_000)),
      results: z.array(result).check(z.maxLength(1_000)),
    }),
    z.strictObject({ type: z.literal('stop'), messageId: idField }),
  ])
})()
