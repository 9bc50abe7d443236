import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import { countField, idField, integerField } from './fields.ts'

/** The values of a user's own state of a thread that the user sets. */
export const threadStateSetSchema = z.strictObject({
  /** The position of the last message that the user has read. A lower one than before changes nothing. */
  readPosition: z.optional(countField),
  pinned: z.optional(z.boolean()),
})

/** A row of `chat_thread_states`. */
export const threadStateRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    userId: idField,
    threadId: idField,
    sessionId: idField,
    readPosition: countField,
    pinnedAt: z.nullable(z.date()),
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

/** A user's own state of a thread: how far it is read, and since when it is pinned. Only that user sees it. */
export type ThreadState = z.output<typeof threadStateRowSchema>

export const threadStateColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    userId: column('user_id', 'text'),
    threadId: column('thread_id', 'text'),
    sessionId: column('session_id', 'text'),
    readPosition: column('read_position', 'bigint', { default: '0' }),
    pinnedAt: column('pinned_at', 'timestamp with time zone', { nullable: true }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof ThreadState>)()
