import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import { idField, integerField, textUpTo } from './fields.ts'

/** Maximum length of a comment on a message, in characters. */
const MAX_COMMENT_LENGTH = 10_000

const ratingSchema = z.enum(['up', 'down'])

/** The feedback on a message as a user sets it; null takes it back. */
export const messageFeedbackSetSchema = z.strictObject({
  rating: z.optional(z.nullable(ratingSchema)),
  comment: z.optional(z.nullable(textUpTo(MAX_COMMENT_LENGTH))),
})

export type Rating = z.output<typeof ratingSchema>

/** A row of `chat_message_feedback`. */
export const messageFeedbackRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    userId: idField,
    messageId: idField,
    sessionId: idField,
    rating: z.nullable(ratingSchema),
    comment: z.nullable(textUpTo(MAX_COMMENT_LENGTH)),
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

/** The feedback of one user on a message. */
export type MessageFeedback = z.output<typeof messageFeedbackRowSchema>

export const messageFeedbackColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    userId: column('user_id', 'text'),
    messageId: column('message_id', 'text'),
    sessionId: column('session_id', 'text'),
    rating: column('rating', 'text', { nullable: true }),
    comment: column('comment', 'text', { nullable: true }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof MessageFeedback>)()
