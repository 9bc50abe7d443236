import type { ClientBase } from 'pg'
import { transaction } from '../../server/in-transaction.ts'
import { type DueFilter, type DueSession, lockDue } from './due-sessions.ts'

/** One step of a deletion: how many rows it took, and whether the session is gone. */
export interface DeletionStep {
  readonly rows: number
  readonly done: boolean
}

/**
 * Deletes some of a session in one transaction: `batchRows` events, or threads with about as many
 * messages, and the session itself once that is all. A session of 100,000 events in one piece would
 * hold up replication for all others.
 *
 * A thread goes as a whole: taking away single messages would touch it, and the session would look
 * like one in which something has just happened.
 */
export function deleteSome(
  client: ClientBase,
  filter: DueFilter,
  session: DueSession,
  batchRows: number,
): Promise<DeletionStep> {
  return transaction(client, async () => {
    if (!(await lockDue(client, filter, session))) return { rows: 0, done: true }
    let rows = await deleteEvents(client, session, batchRows)
    while (rows < batchRows) {
      const deleted = await deleteThread(client, session)
      if (deleted === 0) return { rows: rows + (await deleteItself(client, session)), done: true }
      rows += deleted
    }
    return { rows, done: false }
  })
}

async function deleteEvents(
  client: ClientBase,
  { tenantId, id }: DueSession,
  limit: number,
): Promise<number> {
  const { rowCount } = await client.query(
    `DELETE FROM timeline_events WHERE (tenant_id, id) IN (
       SELECT tenant_id, id FROM timeline_events WHERE tenant_id = $1 AND session_id = $2 LIMIT $3)`,
    [tenantId, id, limit],
  )
  return rowCount ?? 0
}

/** Deletes one thread, if there is one, and returns how many rows went with it. */
async function deleteThread(client: ClientBase, { tenantId, id }: DueSession): Promise<number> {
  const { rows } = await client.query<{ rows: number }>(
    `WITH thread AS (
       SELECT tenant_id, id, message_count FROM chat_threads
       WHERE tenant_id = $1 AND session_id = $2 LIMIT 1),
     deleted AS (
       DELETE FROM chat_threads USING thread
       WHERE chat_threads.tenant_id = thread.tenant_id AND chat_threads.id = thread.id)
     SELECT message_count + 1 AS rows FROM thread`,
    [tenantId, id],
  )
  return rows[0]?.rows ?? 0
}

async function deleteItself(client: ClientBase, { tenantId, id }: DueSession): Promise<number> {
  const { rowCount } = await client.query('DELETE FROM sessions WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ])
  return rowCount ?? 0
}
