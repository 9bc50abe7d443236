import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import { idField, integerField, type JsonObject, jsonObjectField, textField } from './fields.ts'

/**
 * One row of `chat_message_deltas`: a piece of a message that is being streamed. Rows are only ever
 * added, and deleted once the database has put them into the message, when it ends.
 */
export const chatMessageDeltaRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    messageId: idField,
    /** Orders the pieces of a message, without gaps. */
    seq: integerField,
    sessionId: idField,
    /** The window of time in which the message was created; see `streamEpoch`. */
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

/** Length of a stream epoch, in ms. */
export const STREAM_EPOCH_MS = 300_000

/**
 * The epoch of a message: five minutes of the clock. Deltas are replicated by session and epoch, so
 * that whoever opens a session in the middle of an answer reads what belongs to it, and not the
 * history of all answers before.
 *
 * @example
 * streamEpoch(new Date('2024-05-01T10:00:00Z')) // '5715288'
 */
export function streamEpoch(createdAt: Date): string {
  return String(Math.floor(createdAt.getTime() / STREAM_EPOCH_MS))
}
