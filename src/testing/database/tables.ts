import type { CollectionName } from '../../schema/index.ts'
import type { Rows } from '../rows.ts'

/** All rows, by collection and key. Rows are never changed, only replaced. */
export type Tables = { readonly [Name in CollectionName]: Map<string, Rows[Name]> }

/** What tells two rows of a collection apart. */
export function keyOf(row: { readonly tenantId: string; readonly id: string }): string {
  return JSON.stringify([row.tenantId, row.id])
}

export function emptyTables(): Tables {
  return {
    sessions: new Map(),
    timelineEvents: new Map(),
    chatThreads: new Map(),
    chatMessages: new Map(),
  }
}

/** The same rows in tables of their own. */
export function copyTables(tables: Tables): Tables {
  return {
    sessions: new Map(tables.sessions),
    timelineEvents: new Map(tables.timelineEvents),
    chatThreads: new Map(tables.chatThreads),
    chatMessages: new Map(tables.chatMessages),
  }
}

type SessionChild = 'timelineEvents' | 'chatThreads'

/** The rows that hang on a session. */
export function childrenOf<Name extends SessionChild>(
  table: ReadonlyMap<string, Rows[Name]>,
  session: { readonly tenantId: string; readonly id: string },
): Rows[Name][] {
  return [...table.values()].filter(
    (row) => row.tenantId === session.tenantId && row.sessionId === session.id,
  )
}

/** A thread's messages, oldest first. */
export function messagesOf(tables: Tables, thread: Rows['chatThreads']): Rows['chatMessages'][] {
  return [...tables.chatMessages.values()]
    .filter((row) => row.tenantId === thread.tenantId && row.threadId === thread.id)
    .sort((one, other) => one.position - other.position)
}
