import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import {
  countField,
  idField,
  integerField,
  jsonObjectField,
  PREVIEW_LENGTH,
  previewField,
  titleField,
} from './fields.ts'

const chatThreadModeSchema = z.enum(['session', 'general'])
const chatThreadStatusSchema = z.enum(['active', 'archived'])

/**
 * A row of `chat_threads`. The database maintains counts and preview. `headId` is the last message of the branch
 * that the thread shows: a new message follows it and becomes the head. `lastPosition` is the highest `position`
 * that a message of the thread has had.
 */
export const chatThreadRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    id: idField,
    sessionId: idField,
    createdBy: idField,
    mode: chatThreadModeSchema,
    title: titleField,
    status: chatThreadStatusSchema,
    messageCount: integerField,
    lastPosition: countField,
    lastMessageAt: z.nullable(z.date()),
    lastMessagePreview: z.nullable(previewField),
    headId: z.nullable(idField),
    previousHeadId: z.nullable(idField),
    titleSet: z.boolean(),
    audiences: z.array(z.string()),
    metadata: jsonObjectField,
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

export type ChatThreadRow = z.output<typeof chatThreadRowSchema>

/** A thread in the browser. */
export const chatThreadSchema = /* @__PURE__ */ (() =>
  z.omit(chatThreadRowSchema, { previousHeadId: true, titleSet: true, audiences: true }))()

export type ChatThread = z.output<typeof chatThreadSchema>

/** The fields a client may set when it creates a thread. An active thread archives the previous one of its mode. */
export const chatThreadInsertSchema = z.strictObject({
  id: idField,
  sessionId: idField,
  mode: chatThreadModeSchema,
  title: titleField,
  status: z.optional(chatThreadStatusSchema),
  metadata: z.optional(jsonObjectField),
})

/** The fields that a thread's creator or the session's owner may change. */
export const chatThreadUpdateSchema = z.strictObject({
  title: z.optional(titleField),
  status: z.optional(chatThreadStatusSchema),
  /** Shows another branch: the message it ends with. Null shows none; the next message then starts a new one. */
  headId: z.optional(z.nullable(idField)),
  metadata: z.optional(jsonObjectField),
})

export type ChatThreadInsert = z.input<typeof chatThreadInsertSchema>
export type ChatThreadUpdate = z.input<typeof chatThreadUpdateSchema>

export const chatThreadColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text', { writable: 'insert' }),
    sessionId: column('session_id', 'text', { writable: 'insert' }),
    createdBy: column('created_by', 'text'),
    mode: column('mode', 'text', { writable: 'insert' }),
    title: column('title', 'text', { writable: 'always' }),
    status: column('status', 'text', { default: "'active'::text", writable: 'always' }),
    messageCount: column('message_count', 'integer', { default: '0' }),
    lastPosition: column('last_position', 'bigint', { default: '0' }),
    lastMessageAt: column('last_message_at', 'timestamp with time zone', { nullable: true }),
    lastMessagePreview: column('last_message_preview', 'text', { nullable: true }),
    headId: column('head_id', 'text', { nullable: true, writable: 'update' }),
    // The head before the last new message: that message's parent, for the statement that adds it.
    previousHeadId: column('previous_head_id', 'text', { nullable: true, synced: false }),
    // True once a user has changed the title: `suggestTitle` leaves it then.
    titleSet: column('title_set', 'boolean', { default: 'false', synced: false }),
    // Those of the session, for the shape of the threads of all sessions.
    audiences: column('audiences', 'text[]', { default: "'{}'::text[]", synced: false }),
    metadata: column('metadata', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof ChatThreadRow>)()

/** Cuts a message to the preview its thread shows. Like the database, it counts characters, not UTF-16 units. */
export function previewOf(content: string): string {
  return [...content.slice(0, 2 * PREVIEW_LENGTH)].slice(0, PREVIEW_LENGTH).join('')
}
