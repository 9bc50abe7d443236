import type { LegacyMode } from '../import/records.ts'

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

/** Leaves out empty columns: the old records had no nulls. */
export function withoutNulls<Row extends object>(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Row
}
