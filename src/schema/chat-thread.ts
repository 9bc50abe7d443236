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

/** A row of `chat_threads`. The database maintains counts and preview. */
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
    metadata: jsonObjectField,
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

export type ChatThreadRow = z.output<typeof chatThreadRowSchema>

/** A thread in the browser: the row without the server's position counter. */
export const chatThreadSchema = /* @__PURE__ */ (() =>
  z.omit(chatThreadRowSchema, { lastPosition: true }))()

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
    lastPosition: column('last_position', 'bigint', { default: '0', synced: false }),
    lastMessageAt: column('last_message_at', 'timestamp with time zone', { nullable: true }),
    lastMessagePreview: column('last_message_preview', 'text', { nullable: true }),
    metadata: column('metadata', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof ChatThreadRow>)()

/** Cuts a message to the preview its thread shows. Like the database, it counts characters, not UTF-16 units. */
export function previewOf(content: string): string {
  return [...content.slice(0, 2 * PREVIEW_LENGTH)].slice(0, PREVIEW_LENGTH).join('')
}
