import type { ClientBase } from 'pg'
import { bulkLoad } from '../../server/bulk-load.ts'
import type { ImportOwner } from './import-owner.ts'
import { readPreviews } from './read-previews.ts'
import type { RecordSource } from './read-records.ts'
import { sessionTitle } from './session-title.ts'
import { writeMessages } from './write-messages.ts'

const SESSIONS_PER_STATEMENT = 5_000

/** A session to make because threads belong to it and no record of it exists. */
export interface StubSession {
  readonly id: string
  readonly title: string
}

interface NewSession {
  readonly id: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The sessions that threads to be inserted belong to and that are not there. */
export async function readNewSessions(
  client: ClientBase,
): Promise<readonly (StubSession & NewSession)[]> {
  const { rows } = await client.query<NewSession>(
    `SELECT session_id AS id, min(created_at) AS "createdAt", max(updated_at) AS "updatedAt"
     FROM legacy_new_threads WHERE session_id NOT IN (SELECT id FROM legacy_known_sessions)
     GROUP BY session_id ORDER BY min(created_at), session_id`,
  )
  return rows.map((row) => ({ ...row, title: sessionTitle(row.id) }))
}

/**
 * Writes what was planned. Threads get their counts and times as they will be in the end, and the
 * trigger that would count every message is told to leave that.
 *
 * @param onMessages hears how many of the messages have been written so far.
 */
export async function writeRows(
  client: ClientBase,
  owner: ImportOwner,
  sessions: readonly (StubSession & NewSession)[],
  source: RecordSource,
  onMessages: (done: number) => void,
): Promise<void> {
  await bulkLoad(client)
  for (let from = 0; from < sessions.length; from += SESSIONS_PER_STATEMENT) {
    await insertSessions(client, owner, sessions.slice(from, from + SESSIONS_PER_STATEMENT))
  }
  await readPreviews(client, source.dataDir)
  await insertThreads(client, owner)
  await updateKnownThreads(client, owner)
  await writeMessages(client, owner, source, onMessages)
}

async function insertSessions(
  client: ClientBase,
  { tenantId, userId, visibility }: ImportOwner,
  sessions: readonly (StubSession & NewSession)[],
): Promise<void> {
  await client.query(
    `INSERT INTO sessions (tenant_id, owner_id, visibility, status, source, metadata,
       id, title, created_at, updated_at)
     SELECT $1, $2, $3, 'ready', 'import', '{"stub": true}', r.*
     FROM json_to_recordset($4::json)
       AS r(id text, title text, "createdAt" timestamptz, "updatedAt" timestamptz)`,
    [tenantId, userId, visibility, JSON.stringify(sessions)],
  )
}

async function insertThreads(client: ClientBase, { tenantId, userId }: ImportOwner): Promise<void> {
  await client.query(
    `INSERT INTO chat_threads (tenant_id, created_by, id, session_id, mode, title, status, metadata,
       created_at, updated_at, message_count, last_position, last_message_at, last_message_preview)
     SELECT $1, $2, t.id, t.session_id, t.mode, t.title, t.status, t.metadata,
       t.created_at, t.updated_at, coalesce(a.added, 0), coalesce(a.last_position, 0),
       a.last_message_at, p.preview
     FROM legacy_new_threads t
     LEFT JOIN legacy_added a ON a.thread_id = t.id
     LEFT JOIN legacy_previews p ON p.thread_id = t.id`,
    [tenantId, userId],
  )
}

/** Threads that were there and get more messages: these come after those they have. */
async function updateKnownThreads(client: ClientBase, { tenantId }: ImportOwner): Promise<void> {
  await client.query(
    `UPDATE chat_threads t SET message_count = t.message_count + a.added,
       last_position = a.last_position, last_message_at = a.last_message_at,
       last_message_preview = p.preview
     FROM legacy_added a JOIN legacy_known_threads k ON k.id = a.thread_id
     JOIN legacy_previews p ON p.thread_id = a.thread_id
     WHERE t.tenant_id = $1 AND t.id = a.thread_id`,
    [tenantId],
  )
}
