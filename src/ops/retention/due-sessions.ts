import type { ClientBase } from 'pg'
import { transaction } from '../../server/connections.ts'
import type { RetentionAges } from './retention-policy.ts'

/** A session that is older than its tenant keeps sessions. */
export interface DueSession {
  readonly tenantId: string
  readonly id: string
}

/** The rows of one tenant that are due for deletion. */
export interface DueCount {
  readonly tenantId: string
  readonly sessions: number
  readonly threads: number
  readonly messages: number
  readonly events: number
}

// Neither the session nor any of its threads changed since its tenant's cutoff. Parameters: $1 ages by
// tenant as JSON (ms, or null to keep), $2 the age for all other tenants in ms, $3 one tenant or null.
const IS_DUE = `
  ($3::text IS NULL OR session.tenant_id = $3)
  AND session.updated_at < cutoff.at
  AND NOT EXISTS (
    SELECT FROM chat_threads AS thread
    WHERE thread.tenant_id = session.tenant_id AND thread.session_id = session.id
      AND greatest(thread.updated_at, thread.last_message_at) >= cutoff.at)`

const CUTOFF = `
  LATERAL (SELECT now() - (CASE WHEN $1::jsonb ? session.tenant_id
    THEN ($1::jsonb ->> session.tenant_id)::float8 ELSE $2::float8 END) * interval '1 ms' AS at)
    AS cutoff`

/** The conditions for deletion. */
export interface DueFilter {
  readonly ages: RetentionAges
  /** Only this tenant. */
  readonly tenantId?: string | undefined
}

function parameters({ ages, tenantId }: DueFilter): unknown[] {
  return [JSON.stringify(ages.tenants), ages.default, tenantId ?? null]
}

/** Counts the due rows by tenant. */
export async function countDue(client: ClientBase, filter: DueFilter): Promise<DueCount[]> {
  const { rows } = await client.query<DueCount>(
    `WITH due AS MATERIALIZED (
       SELECT session.tenant_id, session.id FROM sessions AS session, ${CUTOFF} WHERE ${IS_DUE})
     SELECT due.tenant_id AS "tenantId", count(*)::int AS sessions,
       sum(children.threads)::int AS threads, sum(children.messages)::int AS messages,
       sum(children.events)::int AS events
     FROM due, LATERAL (SELECT
       (SELECT count(*) FROM chat_threads AS child
         WHERE child.tenant_id = due.tenant_id AND child.session_id = due.id) AS threads,
       (SELECT count(*) FROM chat_messages AS child
         WHERE child.tenant_id = due.tenant_id AND child.session_id = due.id) AS messages,
       (SELECT count(*) FROM timeline_events AS child
         WHERE child.tenant_id = due.tenant_id AND child.session_id = due.id) AS events) AS children
     GROUP BY due.tenant_id ORDER BY due.tenant_id`,
    parameters(filter),
  )
  return rows
}

/** Returns up to `limit` due sessions, oldest first. */
export async function findDue(
  client: ClientBase,
  filter: DueFilter,
  limit: number,
): Promise<DueSession[]> {
  const { rows } = await client.query<DueSession>(
    `SELECT session.tenant_id AS "tenantId", session.id
     FROM sessions AS session, ${CUTOFF} WHERE ${IS_DUE}
     ORDER BY session.updated_at LIMIT $4`,
    [...parameters(filter), limit],
  )
  return rows
}

/**
 * Locks a session until the transaction ends. Returns false if it was deleted or changed since it was
 * found.
 */
async function lockDue(
  client: ClientBase,
  filter: DueFilter,
  { tenantId, id }: DueSession,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM sessions AS session, ${CUTOFF}
     WHERE session.tenant_id = $4 AND session.id = $5 AND ${IS_DUE} FOR UPDATE OF session`,
    [...parameters(filter), tenantId, id],
  )
  return rowCount === 1
}
/** One transaction of a deletion. */
export interface DeletionStep {
  readonly rows: number
  /** True once the session itself is gone. */
  readonly done: boolean
}

/**
 * Deletes part of a session in one transaction: `batchRows` events, or threads with about as many
 * messages, and finally the session itself. Deleting a session of 100,000 events in one transaction
 * would delay replication for everyone else.
 *
 * Threads are deleted whole. Deleting single messages would update the thread, and the session would
 * no longer count as inactive.
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
      if (deleted === 0) return { rows: rows + (await deleteSession(client, session)), done: true }
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

/** Deletes one thread and returns its number of rows; 0 if the session has no thread left. */
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

async function deleteSession(client: ClientBase, { tenantId, id }: DueSession): Promise<number> {
  const { rowCount } = await client.query('DELETE FROM sessions WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    id,
  ])
  return rowCount ?? 0
}
