import type {
  ChatMessageDeltaRow,
  ChatMessageRow,
  ChatThreadRow,
  CollectionName,
  MessageFeedback,
  SessionGrant,
  SessionRow,
  ThreadState,
  TimelineEventRow,
} from '../schema/index.ts'

/** The row type of each collection, with all columns of the database. */
export interface Rows {
  readonly sessions: SessionRow
  readonly sessionGrants: SessionGrant
  readonly timelineEvents: TimelineEventRow
  readonly chatThreads: ChatThreadRow
  readonly chatMessages: ChatMessageRow
}

/** A new row. Omitted properties get the database's default or a plausible value. */
export type RowInput<Name extends CollectionName> = Partial<Rows[Name]>

/** The properties of a row that may change: all but its keys and its version. */
export type RowChanges<Name extends CollectionName> = Partial<
  Omit<Rows[Name], 'tenantId' | 'id' | 'sessionId' | 'threadId' | 'version'>
>

/** An id in the tenant of the mock's principal, or in another tenant. */
export type RowId = string | { readonly tenantId: string; readonly id: string }

/** Rows by collection. */
export type RowInputs = { readonly [Name in CollectionName]?: readonly RowInput<Name>[] }

/** The row type of every table: the collections, users' own rows, and the deltas of messages. */
export interface TableRows extends Rows {
  readonly threadStates: ThreadState
  readonly messageFeedback: MessageFeedback
  readonly chatMessageDeltas: ChatMessageDeltaRow
}

/** All rows by table and key. Rows are immutable. */
export type Tables = { readonly [Name in keyof TableRows]: Map<string, TableRows[Name]> }

/** Returns the map key of a delta. */
export function deltaKeyOf(row: Pick<ChatMessageDeltaRow, 'tenantId' | 'messageId' | 'seq'>) {
  return JSON.stringify([row.tenantId, row.messageId, row.seq])
}

/** A user's own row about a thread or a message. */
export type OwnRow = ThreadState | MessageFeedback

/** Returns the map key of a user's own row. */
export function ownKeyOf(row: OwnRow): string {
  return JSON.stringify([
    row.tenantId,
    row.userId,
    'threadId' in row ? row.threadId : row.messageId,
  ])
}

/** The deltas of a message, in order. */
export function deltasOf(
  tables: Tables,
  message: { readonly tenantId: string; readonly id: string },
): ChatMessageDeltaRow[] {
  return [...tables.chatMessageDeltas.values()]
    .filter((row) => row.tenantId === message.tenantId && row.messageId === message.id)
    .sort((one, other) => one.seq - other.seq)
}

/** Returns the map key of a collection's row. */
export function keyOf(row: { readonly tenantId: string; readonly id: string }): string {
  return JSON.stringify([row.tenantId, row.id])
}

export function emptyTables(): Tables {
  return {
    sessions: new Map(),
    sessionGrants: new Map(),
    timelineEvents: new Map(),
    chatThreads: new Map(),
    chatMessages: new Map(),
    threadStates: new Map(),
    messageFeedback: new Map(),
    chatMessageDeltas: new Map(),
  }
}

/** Copies the tables; the rows are shared. */
export function copyTables(tables: Tables): Tables {
  return {
    sessions: new Map(tables.sessions),
    sessionGrants: new Map(tables.sessionGrants),
    timelineEvents: new Map(tables.timelineEvents),
    chatThreads: new Map(tables.chatThreads),
    chatMessages: new Map(tables.chatMessages),
    threadStates: new Map(tables.threadStates),
    messageFeedback: new Map(tables.messageFeedback),
    chatMessageDeltas: new Map(tables.chatMessageDeltas),
  }
}

type SessionChild = 'sessionGrants' | 'timelineEvents' | 'chatThreads'

/** Returns a session's rows in a table. */
export function childrenOf<Name extends SessionChild>(
  table: ReadonlyMap<string, Rows[Name]>,
  session: { readonly tenantId: string; readonly id: string },
): Rows[Name][] {
  return [...table.values()].filter(
    (row) => row.tenantId === session.tenantId && row.sessionId === session.id,
  )
}

/** Returns a thread's messages, oldest first. */
export function messagesOf(tables: Tables, thread: Rows['chatThreads']): Rows['chatMessages'][] {
  return [...tables.chatMessages.values()]
    .filter((row) => row.tenantId === thread.tenantId && row.threadId === thread.id)
    .sort((one, other) => one.position - other.position)
}
