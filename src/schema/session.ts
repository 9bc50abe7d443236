import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import {
  countField,
  idField,
  integerField,
  jsonObjectField,
  textField,
  timestampInput,
  titleField,
} from './fields.ts'

export const sessionVisibilitySchema = z.enum(['private', 'tenant'])
export const sessionStatusSchema = z.enum(['pending', 'ready', 'failed'])
const sessionSourceSchema = z.enum(['upload', 'bundled', 'external', 'import'])

/** Name of the format of a session's log: that of its parser, or any other of up to 100 characters. */
const sessionFormatSchema = /* @__PURE__ */ (() =>
  textField.check(z.minLength(1), z.maxLength(100)))()

/** Tokens, cost and time of a session, as far as its log states them. */
export interface SessionTotals {
  /** Tokens as the agent reports them. */
  readonly inputTokens?: number
  readonly outputTokens?: number
  /** Tokens read from the model's cache. */
  readonly cachedTokens?: number
  readonly reasoningTokens?: number
  readonly costUsd?: number
  /** Time from the first event to the last, in ms. */
  readonly wallMs?: number
  /** Time without pauses of more than five minutes, in ms. */
  readonly activeMs?: number
}

/** Number of secrets that were masked before a session's content and events were stored, by kind. */
export type SessionRedactions = Readonly<Record<string, number>>

/** Progress of the server's work on a session's content. */
export interface SessionProgress {
  /** `upload` while bytes arrive, `derive` while they are parsed into the timeline. */
  readonly phase: 'upload' | 'derive'
  /** Bytes processed in this phase. */
  readonly doneBytes: number
  /** Total bytes, or null if not known yet. */
  readonly totalBytes: number | null
  /** Timeline events derived so far; only in the phase `derive`. */
  readonly events?: number
}

// Only the server writes it, so its properties aren't validated.
const progressField = jsonObjectField as unknown as z.ZodMiniType<SessionProgress, SessionProgress>

const totalsField = jsonObjectField as unknown as z.ZodMiniType<SessionTotals, SessionTotals>

const redactionsField = jsonObjectField as unknown as z.ZodMiniType<
  SessionRedactions,
  SessionRedactions
>

/** A row of `sessions` with every column of the database. */
export const sessionRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    id: idField,
    ownerId: idField,
    visibility: sessionVisibilitySchema,
    audiences: z.array(textField),
    members: z.array(textField),
    editors: z.array(textField),
    title: titleField,
    status: sessionStatusSchema,
    statusReason: z.nullable(textField),
    progress: z.nullable(progressField),
    source: sessionSourceSchema,
    format: sessionFormatSchema,
    originalName: z.nullable(textField),
    sourcePath: z.nullable(textField),
    repoLabel: z.nullable(textField),
    repo: z.nullable(jsonObjectField),
    workspaceRoot: z.nullable(textField),
    model: z.nullable(textField),
    agentVersion: z.nullable(textField),
    agentSessionId: z.nullable(textField),
    totals: z.nullable(totalsField),
    redactions: z.nullable(redactionsField),
    contentRef: z.nullable(textField),
    contentSha256: z.nullable(textField),
    contentBytes: z.nullable(countField),
    eventCount: integerField,
    startedAt: z.nullable(z.date()),
    endedAt: z.nullable(z.date()),
    archivedAt: z.nullable(z.date()),
    metadata: jsonObjectField,
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

export type SessionRow = z.output<typeof sessionRowSchema>

/** A session in the browser: the row without server-only columns. */
export const sessionSchema = /* @__PURE__ */ (() =>
  z.omit(sessionRowSchema, {
    audiences: true,
    members: true,
    editors: true,
    contentRef: true,
    contentSha256: true,
  }))()

export type Session = z.output<typeof sessionSchema>

/** The fields that can be set in a new session and changed later. */
const changeable = {
  visibility: z.optional(sessionVisibilitySchema),
  repoLabel: z.optional(z.nullable(textField)),
  repo: z.optional(z.nullable(jsonObjectField)),
  workspaceRoot: z.optional(z.nullable(textField)),
  startedAt: z.optional(z.nullable(timestampInput)),
  endedAt: z.optional(z.nullable(timestampInput)),
  archivedAt: z.optional(z.nullable(timestampInput)),
  metadata: z.optional(jsonObjectField),
}

/** The fields a client may set when it creates a session. Owner and tenant come from the principal. */
export const sessionInsertSchema = z.strictObject({
  id: idField,
  title: titleField,
  source: z.optional(sessionSourceSchema),
  format: z.optional(sessionFormatSchema),
  originalName: z.optional(z.nullable(textField)),
  ...changeable,
})

/** The fields of a session that a user may change; owner and visibility only its owner. */
export const sessionUpdateSchema = z.strictObject({
  title: z.optional(titleField),
  ownerId: z.optional(idField),
  ...changeable,
})

export type SessionInsert = z.input<typeof sessionInsertSchema>
export type SessionUpdate = z.input<typeof sessionUpdateSchema>

export const sessionColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text', { writable: 'insert' }),
    ownerId: column('owner_id', 'text', { writable: 'update' }),
    visibility: column('visibility', 'text', { default: "'private'::text", writable: 'always' }),
    // Kept by the database from `session_grants`. They tell who else may look, so they aren't synced.
    audiences: column('audiences', 'text[]', { default: "'{}'::text[]", synced: false }),
    members: column('members', 'text[]', { default: "'{}'::text[]", synced: false }),
    editors: column('editors', 'text[]', { default: "'{}'::text[]", synced: false }),
    title: column('title', 'text', { writable: 'always' }),
    status: column('status', 'text', { default: "'pending'::text" }),
    statusReason: column('status_reason', 'text', { nullable: true }),
    progress: column('progress', 'jsonb', { nullable: true }),
    source: column('source', 'text', { default: "'upload'::text", writable: 'insert' }),
    format: column('format', 'text', { default: "'other'::text", writable: 'insert' }),
    originalName: column('original_name', 'text', { nullable: true, writable: 'insert' }),
    // A path on the server: never written by clients.
    sourcePath: column('source_path', 'text', { nullable: true }),
    repoLabel: column('repo_label', 'text', { nullable: true, writable: 'always' }),
    repo: column('repo', 'jsonb', { nullable: true, writable: 'always' }),
    workspaceRoot: column('workspace_root', 'text', { nullable: true, writable: 'always' }),
    model: column('model', 'text', { nullable: true }),
    agentVersion: column('agent_version', 'text', { nullable: true }),
    agentSessionId: column('agent_session_id', 'text', { nullable: true }),
    totals: column('totals', 'jsonb', { nullable: true }),
    redactions: column('redactions', 'jsonb', { nullable: true }),
    contentRef: column('content_ref', 'text', { nullable: true, synced: false }),
    contentSha256: column('content_sha256', 'text', { nullable: true, synced: false }),
    contentBytes: column('content_bytes', 'bigint', { nullable: true }),
    eventCount: column('event_count', 'integer', { default: '0' }),
    startedAt: column('started_at', 'timestamp with time zone', {
      nullable: true,
      writable: 'always',
    }),
    endedAt: column('ended_at', 'timestamp with time zone', { nullable: true, writable: 'always' }),
    archivedAt: column('archived_at', 'timestamp with time zone', {
      nullable: true,
      writable: 'always',
    }),
    metadata: column('metadata', 'jsonb', { default: "'{}'::jsonb", writable: 'always' }),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof SessionRow>)()
