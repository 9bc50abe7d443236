import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { transaction, withClient } from '../../server/connections.ts'
import { deleteSome } from './due-sessions.ts'

/** Options of `eraseUser`. */
export interface EraseOptions {
  /** A connection string, or a pool, which stays open. */
  readonly database: string | Pool
  readonly tenantId: string
  readonly userId: string
  /** Counts, and erases nothing. */
  readonly dryRun?: boolean | undefined
}

/** Counts of what was erased, or would be in a dry run. */
export interface Erasure {
  readonly dryRun: boolean
  /** Sessions that the user owned, with everything in them. */
  readonly sessions: number
  /** Messages of the user in sessions of others, answers to them included. */
  readonly messages: number
}

/** Takes the user's place in rows that belong to others. */
const ERASED = 'erased'

/**
 * Erases a user of a tenant: the sessions that the user owned, with timelines, chats and contents; messages, files,
 * marks, ratings and usage in sessions of others; grants to the user; results of writes; uploads. Threads and
 * grants that the user created in sessions of others stay, under the name `erased` and without title and
 * metadata, because others' messages are in them. The audit log keeps its entries under that name.
 *
 * It works in small transactions and can be run again after a failure. Sign the user out first. Contents in a
 * store outside of Postgres are deleted by the worker's next sweep. Backups keep what they have.
 *
 * @param options.userId The user.
 * @param options.dryRun Counts, and erases nothing. Default false.
 * @throws SessionDbError `invalid` for an empty id, `unavailable` when the database can't be reached.
 * @example
 * const { sessions, messages } = await eraseUser({ database: pool, tenantId: 'acme', userId: 'ann' })
 */
export async function eraseUser(options: EraseOptions): Promise<Erasure> {
  const { database, tenantId, userId, dryRun = false } = options
  if (!tenantId || !userId) {
    throw new SessionDbError('invalid', 'tenantId and userId must not be empty.')
  }
  return withClient(database, async (client) => {
    if (dryRun) return { dryRun, ...(await count(client, tenantId, userId)) }
    let sessions = 0
    // Sessions that are added meanwhile are found too.
    for (let found = await owned(client, tenantId, userId); found.length > 0; ) {
      for (const id of found) if (await deleteSession(client, tenantId, id)) sessions += 1
      found = await owned(client, tenantId, userId)
    }
    const messages = await transaction(client, async () => {
      const deleted = await eraseInOthers(client, tenantId, userId)
      await client.query(
        `INSERT INTO session_audit (tenant_id, action, details)
         VALUES ($1, 'erase', jsonb_build_object('sessions', $2::int, 'messages', $3::int))`,
        [tenantId, sessions, deleted],
      )
      return deleted
    })
    return { dryRun, sessions, messages }
  })
}

const SESSIONS_PER_QUERY = 100
const ROWS_PER_TRANSACTION = 1_000

async function owned(client: ClientBase, tenantId: string, userId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT id FROM sessions WHERE tenant_id = $1 AND owner_id = $2 LIMIT $3',
    [tenantId, userId, SESSIONS_PER_QUERY],
  )
  return rows.map(({ id }) => id)
}

/** Returns false for a session that is gone already. */
async function deleteSession(client: ClientBase, tenantId: string, id: string): Promise<boolean> {
  // Also sessions whose times are in the future.
  const everything = { ages: { default: -1e12, tenants: {} }, tenantId }
  for (;;) {
    const step = await deleteSome(client, everything, { tenantId, id }, ROWS_PER_TRANSACTION)
    if (step.done) return step.rows > 0
  }
}

async function count(
  client: ClientBase,
  tenantId: string,
  userId: string,
): Promise<Omit<Erasure, 'dryRun'>> {
  const { rows } = await client.query<{ sessions: number; messages: number }>(
    `SELECT (SELECT count(*)::int FROM sessions WHERE tenant_id = $1 AND owner_id = $2) AS sessions,
       (SELECT count(*)::int FROM chat_messages m
         JOIN sessions s ON s.tenant_id = m.tenant_id AND s.id = m.session_id
         WHERE m.tenant_id = $1 AND m.author_id = $2 AND s.owner_id <> $2) AS messages`,
    [tenantId, userId],
  )
  return rows[0] ?? { sessions: 0, messages: 0 }
}

/** Erases the user's traces in what belongs to others. Returns the number of messages. */
async function eraseInOthers(
  client: ClientBase,
  tenantId: string,
  userId: string,
): Promise<number> {
  const run = async (statement: string) =>
    (await client.query(statement, [tenantId, userId])).rowCount ?? 0
  const deleted = await run('DELETE FROM chat_messages WHERE tenant_id = $1 AND author_id = $2')
  // Also files that messages of others refer to, in copies of a thread.
  await run('DELETE FROM chat_attachments WHERE tenant_id = $1 AND created_by = $2')
  for (const table of [
    'chat_thread_states',
    'chat_message_feedback',
    'chat_message_usage',
    'applied_batches',
  ]) {
    await run(`DELETE FROM ${table} WHERE tenant_id = $1 AND user_id = $2`)
  }
  await run(`DELETE FROM session_grants WHERE tenant_id = $1 AND grantee = 'user:' || $2`)
  await run(
    `UPDATE session_grants SET created_by = '${ERASED}' WHERE tenant_id = $1 AND created_by = $2`,
  )
  await run(`DELETE FROM chat_threads t WHERE tenant_id = $1 AND created_by = $2
    AND NOT EXISTS (SELECT FROM chat_messages m WHERE m.tenant_id = t.tenant_id AND m.thread_id = t.id)`)
  await run(`UPDATE chat_threads SET created_by = '${ERASED}', title = 'Thread of an erased user',
    metadata = '{}' WHERE tenant_id = $1 AND created_by = $2`)
  await run(
    'UPDATE session_uploads SET uploaded_by = NULL WHERE tenant_id = $1 AND uploaded_by = $2',
  )
  await run(`UPDATE session_audit SET
      user_id = CASE WHEN user_id = $2 THEN '${ERASED}' ELSE user_id END,
      details = CASE WHEN details->>'grantee' = 'user:' || $2
        THEN details || '{"grantee": "user:${ERASED}"}'
        WHEN details->>'owner' = $2 THEN details || '{"owner": "${ERASED}"}'
        WHEN details->>'user' = $2 THEN details || '{"user": "${ERASED}"}' ELSE details END
    WHERE tenant_id = $1 AND (user_id = $2 OR details->>'grantee' = 'user:' || $2
      OR details->>'owner' = $2 OR details->>'user' = $2)`)
  return deleted
}
