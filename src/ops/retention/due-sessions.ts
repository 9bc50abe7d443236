import type { ClientBase } from 'pg'
import type { RetentionAges } from './retention-policy.ts'

/** A session whose time has come. */
export interface DueSession {
  readonly tenantId: string
  readonly id: string
}

/** What is due of one tenant. */
export interface DueCount {
  readonly tenantId: string
  readonly sessions: number
  readonly threads: number
  readonly messages: number
  readonly events: number
}

// Nothing has happened in it, nor in any of its threads, since its tenant's cutoff. Parameters: ages
// by tenant as JSON (ms, or null for ever), the age of all others in ms, the one tenant or null.
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

/** Everything that decides what is due. */
export interface DueFilter {
  readonly ages: RetentionAges
  /** Only this tenant. */
  readonly tenantId?: string | undefined
}

function parameters({ ages, tenantId }: DueFilter): unknown[] {
  return [JSON.stringify(ages.tenants), ages.default, tenantId ?? null]
}

/** Counts what is due, by tenant. */
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

/** Some sessions that are due, oldest first. */
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
 * Locks a session that is still due, so that nothing happens in it until the transaction ends; false
 * when it is gone or something has happened since it was found.
 */
export async function lockDue(
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
