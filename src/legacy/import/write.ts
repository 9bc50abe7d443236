import type { ClientBase } from 'pg'
import { bulkLoad } from '../../server/bulk-load.ts'
import type { SessionIds } from '../fixed-sessions.ts'
import type { ImportOwner } from './import-options.ts'
import { sessionTitle } from './records.ts'

/** A session that threads belong to and that does not exist. */
export interface NewSession {
  readonly id: string
  readonly title: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The sessions of the threads to insert that do not exist, oldest first. */
export async function readNewSessions(
  client: ClientBase,
  ids: SessionIds,
): Promise<readonly NewSession[]> {
  const { rows } = await client.query<Omit<NewSession, 'title'>>(
    `SELECT session_id AS id, min(created_at) AS "createdAt", max(updated_at) AS "updatedAt"
     FROM legacy_new_threads WHERE session_id NOT IN (SELECT id FROM legacy_known_sessions)
     GROUP BY session_id ORDER BY min(created_at), session_id`,
  )
  return rows.map((row) => ({ ...row, title: sessionTitle(ids.original(row.id)) }))
}

/**
 * Inserts what `placeRecords` has planned. Threads get their final counts here, and the trigger that
 * counts messages is switched off for the transaction.
 */
export async function writeRows(
  client: ClientBase,
  { tenantId, userId, visibility }: ImportOwner,
  sessions: readonly NewSession[],
  ids: SessionIds,
): Promise<void> {
  const rows = sessions.map((session) => ({
    ...session,
    visibility: ids.isShared(session.id) ? 'tenant' : visibility,
  }))
  await bulkLoad(client)
  await client.query(
    `INSERT INTO sessions (tenant_id, owner_id, status, source, metadata,
       visibility, id, title, created_at, updated_at)
     SELECT $1, $2, 'ready', 'import', '{"stub": true}', r.*
     FROM json_to_recordset($3::json) AS r(visibility text, id text, title text,
       "createdAt" timestamptz, "updatedAt" timestamptz)`,
    [tenantId, userId, JSON.stringify(rows)],
  )
  await client.query(
    `INSERT INTO chat_threads (tenant_id, created_by, id, session_id, mode, title, status, metadata,
       created_at, updated_at, message_count, last_position, last_message_at, last_message_preview,
       head_id)
     SELECT $1, $2, t.id, t.session_id, t.mode, t.title, t.status, t.metadata,
       t.created_at, t.updated_at, coalesce(a.added, 0), coalesce(a.last_position, 0),
       a.last_message_at, a.preview, a.head_id
     FROM legacy_new_threads t LEFT JOIN legacy_added a ON a.thread_id = t.id`,
    [tenantId, userId],
  )
  await client.query(
    `UPDATE chat_threads t SET message_count = t.message_count + a.added,
       last_position = a.last_position,
       last_message_at = coalesce(a.last_message_at, t.last_message_at),
       last_message_preview = coalesce(a.preview, t.last_message_preview),
       head_id = a.head_id, previous_head_id = t.head_id
     FROM legacy_added a JOIN legacy_known_threads k ON k.id = a.thread_id
     WHERE t.tenant_id = $1 AND t.id = a.thread_id`,
    [tenantId],
  )
  await client.query(
    `INSERT INTO chat_messages (tenant_id, author_id, id, thread_id, session_id, position, role,
       content, parts, client_message_id, metadata, created_at, updated_at, parent_id)
     SELECT $1, $2, m.id, p.thread_id, e.session_id, p.position, m.role,
       m.content, m.parts, m.client_message_id, m.metadata, m.created_at, m.updated_at,
       coalesce(lag(m.id) OVER (PARTITION BY p.thread_id ORDER BY p.position), k.head_id)
     FROM legacy_placed p
     JOIN legacy_messages m ON m.n = p.n
     JOIN legacy_expected e ON e.id = p.thread_id
     LEFT JOIN legacy_known_threads k ON k.id = p.thread_id
     WHERE p.position IS NOT NULL
     ORDER BY p.thread_id, p.position`,
    [tenantId, userId],
  )
}
