import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import {
  countField,
  idField,
  integerField,
  jsonArrayField,
  jsonObjectField,
  textField,
} from './fields.ts'

const chatMessageRoleSchema = z.enum(['system', 'user', 'assistant', 'tool'])
const chatMessageStatusSchema = z.enum(['streaming', 'complete', 'error'])

/**
 * A row of `chat_messages`. The database assigns `position`, which orders a thread (1, 2, 3 …). `parts` are
 * AI SDK `UIMessage` parts. `parentId` is the message that this one follows, of the same thread, or null for a
 * first message. Messages with the same parent are alternatives, one of which the thread shows.
 */
export const chatMessageRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    id: idField,
    threadId: idField,
    sessionId: idField,
    authorId: idField,
    role: chatMessageRoleSchema,
    content: textField,
    parts: jsonArrayField,
    parentId: z.nullable(textField),
    clientMessageId: z.nullable(textField),
    status: chatMessageStatusSchema,
    position: countField,
    metadata: jsonObjectField,
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

export type ChatMessageRow = z.output<typeof chatMessageRowSchema>

/** A message in the browser; every column is synced. */
export const chatMessageSchema = chatMessageRowSchema

export type ChatMessage = ChatMessageRow

/** The fields a client may set when it appends a message. The session follows from the thread. */
export const chatMessageInsertSchema = z.strictObject({
  id: idField,
  threadId: idField,
  role: chatMessageRoleSchema,
  content: textField,
  parts: z.optional(jsonArrayField),
  /** The message it follows; null starts a branch of the whole thread. Default: the thread's head. */
  parentId: z.optional(z.nullable(idField)),
  clientMessageId: z.optional(z.nullable(idField)),
  status: z.optional(chatMessageStatusSchema),
  metadata: z.optional(jsonObjectField),
})

/** The fields that a message's author or the session's owner may change. */
export const chatMessageUpdateSchema = z.strictObject({
  content: z.optional(textField),
  parts: z.optional(jsonArrayField),
  status: z.optional(chatMessageStatusSchema),
  metadata: z.optional(jsonObjectField),
})

export type ChatMessageInsert = z.input<typeof chatMessageInsertSchema>
export type ChatMessageUpdate = z.input<typeof chatMessageUpdateSchema>

export const chatMessageColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text', { writable: 'insert' }),
    threadId: column('thread_id', 'text', { writable: 'insert' }),
    sessionId: column('session_id', 'text'),
    authorId: column('author_id', 'text'),
    role: column('role', 'text', { writable: 'insert' }),
    content: column('content', 'text', { writable: 'always' }),
    parts: column('parts', 'jsonb', { default: "'[]'::jsonb", writable: 'always' }),
    parentId: column('parent_id', 'text', { nullable: true, writable: 'insert' }),
    clientMessageId: column('client_message_id', 'text', { nullable: true, writable: 'insert' }),
    status: column('status', 'text', { default: "'complete'::text", writable: 'always' }),
    position: column('position', 'bigint'),
    metadata: column('metadata', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof ChatMessageRow>)()
