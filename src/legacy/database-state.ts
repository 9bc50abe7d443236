import type { ClientBase } from 'pg'
import type { LegacyMode, LegacyRecords } from './legacy-records.ts'

/** A thread as it is in the database before the import. */
export interface ExistingThread {
  readonly id: string
  readonly sessionId: string
  readonly mode: LegacyMode
  readonly status: 'active' | 'archived'
  /** The highest position ever given in the thread. */
  readonly lastPosition: number
}

/** A message as it is in the database before the import. */
export interface ExistingMessage {
  readonly id: string
  readonly threadId: string
  readonly clientMessageId: string | null
}

/** What the tenant already has of what is to be imported. */
export interface DatabaseState {
  readonly sessionIds: ReadonlySet<string>
  readonly threads: readonly ExistingThread[]
  readonly messages: readonly ExistingMessage[]
}

/**
 * Reads what is there already, and locks the sessions and threads so that it stays so: no live
 * write can make another thread active or take a position meanwhile.
 */
export async function readDatabaseState(
  client: ClientBase,
  tenantId: string,
  { threads, messages }: LegacyRecords,
): Promise<DatabaseState> {
  const sessionIds = [...threads, ...messages].map(({ sessionId }) => sessionId)
  const threadIds = [...threads.map(({ id }) => id), ...messages.map(({ threadId }) => threadId)]
  const sessions = await client.query<{ id: string }>(
    `SELECT id FROM sessions
     WHERE tenant_id = $1 AND (id = ANY($2) OR id IN (
       SELECT session_id FROM chat_threads WHERE tenant_id = $1 AND id = ANY($3)))
     ORDER BY id FOR NO KEY UPDATE`,
    [tenantId, [...new Set(sessionIds)], [...new Set(threadIds)]],
  )
  const known = await client.query<ExistingThread>(
    `SELECT id, session_id AS "sessionId", mode, status,
       last_position::float8 AS "lastPosition"
     FROM chat_threads
     WHERE tenant_id = $1 AND session_id = ANY($2)
     ORDER BY created_at, id FOR NO KEY UPDATE`,
    [tenantId, sessions.rows.map(({ id }) => id)],
  )
  const clientMessageIds = messages.map(({ clientMessageId }) => clientMessageId)
  const stored = await client.query<ExistingMessage>(
    `SELECT id, thread_id AS "threadId", client_message_id AS "clientMessageId" FROM chat_messages
     WHERE tenant_id = $1
       AND (id = ANY($2) OR (thread_id = ANY($3) AND client_message_id = ANY($4)))`,
    [
      tenantId,
      messages.map(({ id }) => id),
      known.rows.map(({ id }) => id),
      clientMessageIds.filter((id) => id !== null),
    ],
  )
  return {
    sessionIds: new Set(sessions.rows.map(({ id }) => id)),
    threads: known.rows,
    messages: stored.rows,
  }
}
