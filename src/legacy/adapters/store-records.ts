import type { Pool } from 'pg'
import type { Principal } from '../../schema/principal.ts'
import type { SessionStore } from '../../server/store/index.ts'
import type { LegacyMode } from '../import/records.ts'

export interface LegacyStoresOptions {
  readonly store: SessionStore
  /** The store's database, for reading. */
  readonly database: Pool
  /** The caller: create the stores for each request. */
  readonly principal: Principal
}

/** A thread as the old store gave it. */
export interface LegacyThreadRecord {
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly title: string
  readonly status: 'active' | 'archived'
  readonly messageCount: number
  readonly lastMessagePreview: string | null
  readonly lastMessageAt: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** A message as the old store gave it. What `updateChatMessage` may change is not read-only. */
export interface LegacyMessageRecord {
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly threadId: string
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  content: string
  readonly clientMessageId: string | null
  misalignmentId: string | null
  evidence: unknown
  contextEvents: unknown
  readonly createdAt: string
  readonly updatedAt: string
}

/** An upload as the old store listed it. */
export interface LegacyUploadRecord {
  readonly id: string
  readonly originalName: string | null
  readonly storedAt: string
  readonly size: number
  readonly source: string
  readonly sourcePath: string | null
  readonly repoLabel: string | null
  readonly repoMeta: unknown
  readonly workspaceRoot: string | null
}

const iso = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

export const THREAD_COLUMNS = `t.id, t.session_id AS "sessionId", t.mode, t.title, t.status,
  t.message_count AS "messageCount", t.last_message_preview AS "lastMessagePreview",
  ${iso('t.last_message_at')} AS "lastMessageAt", ${iso('t.created_at')} AS "createdAt",
  ${iso('t.updated_at')} AS "updatedAt"`

export const MESSAGE_COLUMNS = `m.id, m.session_id AS "sessionId", t.mode, m.thread_id AS "threadId",
  m.role, m.content, m.client_message_id AS "clientMessageId",
  m.metadata ->> 'misalignmentId' AS "misalignmentId", m.metadata -> 'evidence' AS evidence,
  m.metadata -> 'contextEvents' AS "contextEvents", ${iso('m.created_at')} AS "createdAt",
  ${iso('m.updated_at')} AS "updatedAt"`

export const UPLOAD_COLUMNS = `s.id, s.original_name AS "originalName", ${iso('s.created_at')} AS "storedAt",
  s.content_bytes::float8 AS size, s.source, s.source_path AS "sourcePath",
  s.repo_label AS "repoLabel", s.repo AS "repoMeta", s.workspace_root AS "workspaceRoot"`

/** What the principal `($1, $2)` may see, of sessions `s`. */
export const VISIBLE = "s.tenant_id = $1 AND (s.owner_id = $2 OR s.visibility = 'tenant')"
