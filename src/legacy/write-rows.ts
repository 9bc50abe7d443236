import type { ClientBase } from 'pg'
import { bulkLoad } from '../server/bulk-load.ts'
import type { ImportOwner } from './import-owner.ts'
import { sessionTitle } from './session-title.ts'

const MESSAGES_PER_STATEMENT = 50_000
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
  onMessages: (done: number) => void,
): Promise<void> {
  await bulkLoad(client)
  for (let from = 0; from < sessions.length; from += SESSIONS_PER_STATEMENT) {
    await insertSessions(client, owner, sessions.slice(from, from + SESSIONS_PER_STATEMENT))
  }
  await insertThreads(client, owner)
  await updateKnownThreads(client, owner)
  await insertMessages(client, owner, onMessages)
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
       a.last_message_at, a.last_message_preview
     FROM legacy_new_threads t LEFT JOIN legacy_added a ON a.thread_id = t.id`,
    [tenantId, userId],
  )
}

/** Threads that were there and get more messages: these come after those they have. */
async function updateKnownThreads(client: ClientBase, { tenantId }: ImportOwner): Promise<void> {
  await client.query(
    `UPDATE chat_threads t SET message_count = t.message_count + a.added,
       last_position = a.last_position, last_message_at = a.last_message_at,
       last_message_preview = a.last_message_preview
     FROM legacy_added a JOIN legacy_known_threads k ON k.id = a.thread_id
     WHERE t.tenant_id = $1 AND t.id = a.thread_id`,
    [tenantId],
  )
}

async function insertMessages(
  client: ClientBase,
  { tenantId, userId }: ImportOwner,
  onMessages: (done: number) => void,
): Promise<void> {
  await client.query(positionsInFileOrder)
  const { rows } = await client.query<{ last: number | null }>(
    'SELECT max(n) AS last FROM legacy_positions',
  )
  const last = rows[0]?.last ?? -1
  let done = 0
  for (let from = 0; from <= last; from += MESSAGES_PER_STATEMENT) {
    const { rowCount } = await client.query(
      `INSERT INTO chat_messages (tenant_id, author_id, id, thread_id, session_id, role, content,
         parts, client_message_id, position, metadata, created_at, updated_at)
       SELECT $1, $2, m.id, p.thread_id, p.session_id, m.role, m.content,
         m.parts, m.client_message_id, p.position, m.metadata, m.created_at, m.updated_at
       FROM legacy_messages m JOIN legacy_positions p ON p.n = m.n
       WHERE m.n >= $3 AND m.n < $4 AND p.n >= $3 AND p.n < $4`,
      [tenantId, userId, from, from + MESSAGES_PER_STATEMENT],
    )
    done += rowCount ?? 0
    onMessages(done)
  }
}

/** Where messages go, in the order in which the staging table holds them: each statement reads one stretch of both. */
const positionsInFileOrder = `
  CREATE TEMP TABLE legacy_positions ON COMMIT DROP AS
  SELECT p.n, p.thread_id, e.session_id, p.position
  FROM legacy_placed p JOIN legacy_expected e ON e.id = p.thread_id
  WHERE p.position IS NOT NULL ORDER BY p.n;
  CREATE INDEX ON legacy_positions (n);
  ANALYZE legacy_positions`
