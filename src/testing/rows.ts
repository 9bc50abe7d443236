import type {
  ChatMessageRow,
  ChatThreadRow,
  CollectionName,
  SessionRow,
  TimelineEventRow,
} from '../schema/index.ts'

/** The rows of each collection as the database has them, in the app's form. */
export interface Rows {
  readonly sessions: SessionRow
  readonly timelineEvents: TimelineEventRow
  readonly chatThreads: ChatThreadRow
  readonly chatMessages: ChatMessageRow
}

/** A new row; what is left out gets the database's default, or something plausible. */
export type RowInput<Name extends CollectionName> = Partial<Rows[Name]>

/** What may change in a row: not its keys, nor its version, which the database counts. */
export type RowChanges<Name extends CollectionName> = Partial<
  Omit<Rows[Name], 'tenantId' | 'id' | 'sessionId' | 'threadId' | 'version'>
>

/** An id in the tenant of the mock's principal, or one of another tenant. */
export type RowId = string | { readonly tenantId: string; readonly id: string }

/** Rows by collection. */
export type RowInputs = { readonly [Name in CollectionName]?: readonly RowInput<Name>[] }
