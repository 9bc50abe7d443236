import type { Pool } from 'pg'
import type { JsonObject } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { SessionStore } from '../../server/store/index.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { GivenContents } from '../content-files.ts'
import type { FixedSessions, SessionIds } from '../fixed-sessions.ts'
import type { LegacyMode } from '../import/records.ts'

export interface LegacyStoresOptions {
  readonly store: SessionStore
  /** The store's database, for reading. */
  readonly database: Pool
  /** The caller: create the stores for each request. */
  readonly principal: Principal
  /** How session ids in the app's code are translated, such as `{ 'session-default': 'user' }`. */
  readonly fixedSessions?: FixedSessions
  /**
   * Directories whose files `ensureSessionUploadForFile` and `refreshSessionUploadFromSource` may read.
   * None by default: both refuse every file then.
   */
  readonly sourceDirectories?: readonly string[]
  /** Where replaced contents are stored; Postgres by default. Pass the store's `contents`. */
  readonly contents?: GivenContents
  /** The `url` of an upload; `/api/uploads/<id>` by default. */
  readonly uploadUrl?: (id: string) => string
}

/** The options, and what the stores have in common. */
export interface LegacyContext extends LegacyStoresOptions {
  readonly ids: SessionIds
  write(...mutations: JsonObject[]): Promise<WriteResult>
}

/** A thread as the old store returned it. */
export interface LegacyThreadRecord {
  id: string
  sessionId: string
  mode: LegacyMode
  title: string
  status: 'active' | 'archived'
  /** Tool events are not counted. */
  messageCount: number
  lastMessagePreview?: string
  lastMessageAt?: string
  createdAt: string
  updatedAt: string
}

/** A message as the old store returned it. */
export interface LegacyMessageRecord {
  id: string
  sessionId: string
  mode: LegacyMode
  threadId: string
  role: 'system' | 'user' | 'assistant'
  content: string
  clientMessageId?: string
  misalignmentId?: string
  evidence?: unknown[]
  contextEvents?: unknown[]
  createdAt: string
  updatedAt: string
}

export type LegacyToolEventStatus = 'pending' | 'executing' | 'succeeded' | 'failed'

/** A tool event as the old store returned it. Further fields of imported records are kept. */
export interface LegacyToolEventRecord {
  id: string
  sessionId: string
  threadId: string | null
  toolCallId: string | null
  toolName: string
  arguments: unknown
  status: LegacyToolEventStatus
  result?: unknown
  error?: string
  startedAt: string
  completedAt?: string
  latencyMs?: number
  contextEvents?: unknown[]
}

/** An upload as the old store returned it. */
export interface LegacyUploadRecord {
  id: string
  originalName: string
  storedAt: string
  size: number
  url: string
  source: 'upload' | 'bundled' | 'external'
  sourcePath?: string
  repoLabel?: string
  repoMeta?: Record<string, unknown>
  workspaceRoot?: string
  lastModifiedMs: number
  lastModifiedIso: string
  origin?: string
}

/** The record types of the drop-in functions. An app replaces them by its own. */
export interface LegacyRecords {
  thread: LegacyThreadRecord
  message: LegacyMessageRecord
  toolEvent: LegacyToolEventRecord
  upload: LegacyUploadRecord
}

/** `LegacyRecords` with some types replaced by those of `R`. */
export type RecordsOf<R> = {
  [Name in keyof LegacyRecords]: Name extends keyof R ? R[Name] : LegacyRecords[Name]
}

/** SQL for a time in the format of `Date.toISOString`. */
export const isoTime = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** SQL for the sessions `s` that the principal (`$1`, `$2`) may see. */
export const VISIBLE = "s.tenant_id = $1 AND s.audiences && ARRAY['tenant', 'user:' || $2::text]"

/** Leaves out empty columns: the old records had no nulls. */
export function withoutNulls<Row extends object>(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Row
}
