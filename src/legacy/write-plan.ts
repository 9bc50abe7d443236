import type { ClientBase } from 'pg'
import type { ImportPlan, NewMessage } from './plan-import.ts'

const CHUNK_SIZE = 1_000

/** Whose the imported rows are. */
export interface ImportOwner {
  readonly tenantId: string
  readonly userId: string
  readonly visibility: 'private' | 'tenant'
}

/**
 * Inserts what the plan says, many rows per statement. Triggers count the messages, and touch each
 * thread as they do: in the end threads get back the time of their last change.
 *
 * @param onMessages hears how many messages have been written so far.
 */
export async function writePlan(
  client: ClientBase,
  owner: ImportOwner,
  plan: ImportPlan,
  onMessages: (done: number) => void,
): Promise<void> {
  await insertSessions(client, owner, plan)
  await insertThreads(client, owner, plan)
  for (let from = 0; from < plan.messages.length; from += CHUNK_SIZE) {
    const chunk = plan.messages.slice(from, from + CHUNK_SIZE)
    await insertMessages(client, owner, chunk)
    onMessages(from + chunk.length)
  }
  await restoreTimes(client, owner, plan)
}

async function insertSessions(
  client: ClientBase,
  { tenantId, userId, visibility }: ImportOwner,
  { sessions }: ImportPlan,
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

async function insertThreads(
  client: ClientBase,
  { tenantId, userId }: ImportOwner,
  { threads }: ImportPlan,
): Promise<void> {
  await client.query(
    `INSERT INTO chat_threads (tenant_id, created_by, id, session_id, mode, title, status, metadata,
       created_at, updated_at)
     SELECT $1, $2, r.*
     FROM json_to_recordset($3::json) AS r(id text, "sessionId" text, mode text, title text,
       status text, metadata jsonb, "createdAt" timestamptz, "updatedAt" timestamptz)`,
    [tenantId, userId, JSON.stringify(threads)],
  )
}

async function insertMessages(
  client: ClientBase,
  { tenantId, userId }: ImportOwner,
  messages: readonly NewMessage[],
): Promise<void> {
  const rows = messages.map(({ message, ...place }) => ({ ...message, ...place }))
  await client.query(
    `INSERT INTO chat_messages (tenant_id, author_id, id, thread_id, session_id, role, content,
       parts, client_message_id, position, metadata, created_at, updated_at)
     SELECT $1, $2, r.*
     FROM json_to_recordset($3::json) AS r(id text, "threadId" text, "sessionId" text, role text,
       content text, parts jsonb, "clientMessageId" text, position bigint, metadata jsonb,
       "createdAt" timestamptz, "updatedAt" timestamptz)`,
    [tenantId, userId, JSON.stringify(rows)],
  )
}

async function restoreTimes(
  client: ClientBase,
  { tenantId }: ImportOwner,
  { threads }: ImportPlan,
): Promise<void> {
  const times = threads.map(({ id, updatedAt }) => ({ id, updatedAt }))
  await client.query(
    `UPDATE chat_threads t SET updated_at = r."updatedAt"
     FROM json_to_recordset($2::json) AS r(id text, "updatedAt" timestamptz)
     WHERE t.tenant_id = $1 AND t.id = r.id AND t.updated_at <> r."updatedAt"`,
    [tenantId, JSON.stringify(times)],
  )
}
