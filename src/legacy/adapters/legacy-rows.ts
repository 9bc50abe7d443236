import type { JsonObject } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import type { LegacyMode } from '../import/records.ts'
import type { LegacyMessageRecord, LegacyThreadRecord, LegacyUploadRecord } from './records.ts'

/**
 * The reads of the drop-in functions, and the two changes that no batch can express. Everything else is
 * written by the store. `sql-rows.ts` implements it over Postgres, `testing/memory-legacy-rows.ts` over
 * the mock's tables; the parity test runs the same scenarios against both.
 *
 * Every function sees the principal's rows only, under the store's access rule. Session ids are those
 * in the database.
 */
export interface LegacyRows {
  isVisible(sessionId: string): Promise<boolean>
  isOwner(sessionId: string): Promise<boolean>
  /** Threads that match, the most recently changed first. Empty fields are null. */
  threads(filter: ThreadFilter): Promise<LegacyThreadRecord[]>
  /** The same threads, without counting their messages. */
  threadStates(filter: ThreadFilter): Promise<{ id: string; isActive: boolean }[]>
  /** Messages that match, without tool events, by session, thread and position. */
  messages(filter: MessageFilter): Promise<MessageRow[]>
  /** Tool events that match, by the time they started. */
  toolEvents(filter: MessageFilter): Promise<ToolRow[]>
  /** Sessions with content that match; the principal's own first, then the oldest. */
  uploads(filter: UploadFilter): Promise<UploadRow[]>
  /**
   * Replaces the content of a session of the principal and derives its timeline, in one transaction.
   * A content that is equal is left alone.
   *
   * @throws SessionDbError `forbidden` when another user owns the session.
   */
  replaceContent(sessionId: string, content: Buffer, fields?: UploadChanges): Promise<void>
  /**
   * Turns those of the principal's sessions that have chats into stubs without content.
   *
   * @returns their ids.
   */
  emptySessionsWithChats(sessionIds: readonly string[]): Promise<string[]>
}

/** Columns that must be equal; omitted ones are not compared. */
export interface ThreadFilter {
  readonly id?: string | undefined
  readonly sessionId?: string | undefined
  readonly mode?: LegacyMode | undefined
}

export interface MessageFilter {
  readonly id?: string | undefined
  readonly threadId?: string | undefined
  readonly sessionId?: string | undefined
  readonly mode?: LegacyMode | undefined
  /** Only messages that the principal has written, or in sessions that it owns. */
  readonly isOwn?: true | undefined
}

export interface UploadFilter {
  readonly id?: string | undefined
  readonly originalName?: string | undefined
  readonly sourcePath?: string | undefined
  readonly source?: string | undefined
  /** Only sessions that the principal owns. */
  readonly isOwn?: true | undefined
}

/** Columns of a session to set beside its content. Undefined labels leave the stored ones. */
export interface UploadChanges {
  readonly sourcePath?: string
  readonly originalName?: string
  readonly repoLabel?: string | undefined
  readonly repoMeta?: object | undefined
  /** Added to `metadata.upload`, where the import puts fields without a column. */
  readonly upload?: JsonObject
}

export interface MessageRow extends LegacyMessageRecord {
  readonly metadata: JsonObject
  readonly version: number
}

/** A message of role `tool`: its only part is the call, the other fields are in its metadata. */
export interface ToolRow {
  readonly id: string
  readonly sessionId: string
  readonly threadId: string
  readonly toolName: string
  readonly part: JsonObject
  readonly metadata: JsonObject
  readonly createdAt: string
}

export interface UploadRow
  extends Omit<
    LegacyUploadRecord,
    'storedAt' | 'url' | 'lastModifiedMs' | 'lastModifiedIso' | 'origin'
  > {
  readonly createdAt: string
  /** `metadata.upload`. The owner can write anything there. */
  readonly upload: unknown
  readonly format: string
  readonly isOwn: boolean
}

/**
 * The property of a store that reads in its own way, as the one in memory does. The symbol is shared
 * by all entries of the package.
 */
export const LEGACY_ROWS: unique symbol = Symbol.for('@org/session-db/legacy-rows') as never

/** A store that brings its own reads for the drop-in functions. */
export interface WithLegacyRows {
  readonly [LEGACY_ROWS]: (principal: Principal) => LegacyRows
}
