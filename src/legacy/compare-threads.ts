import { createHash } from 'node:crypto'
import type { ClientBase } from 'pg'
import type { DatabaseState } from './database-state.ts'
import type { ThreadReport } from './import-report.ts'
import type { ExpectedThread } from './plan-import.ts'

interface ThreadRow {
  readonly id: string
  readonly sessionId: string
  readonly count: number
}

interface MessageRow {
  readonly id: string
  readonly threadId: string
  readonly role: string
  readonly content: string
  readonly version: number
}

/** Reads back every thread of the files and compares it with them, message by message. */
export async function compareThreads(
  client: ClientBase,
  tenantId: string,
  expected: readonly ExpectedThread[],
  before: DatabaseState,
): Promise<ThreadReport[]> {
  const ids = expected.map(({ id }) => id)
  const threads = await client.query<ThreadRow>(
    `SELECT t.id, t.session_id AS "sessionId", count(m.id)::int AS count
     FROM chat_threads t
     LEFT JOIN chat_messages m ON m.tenant_id = t.tenant_id AND m.thread_id = t.id
     WHERE t.tenant_id = $1 AND t.id = ANY($2) GROUP BY t.tenant_id, t.id`,
    [tenantId, ids],
  )
  const messages = await client.query<MessageRow>(
    `SELECT id, thread_id AS "threadId", role, content, version FROM chat_messages
     WHERE tenant_id = $1 AND thread_id = ANY($2) AND id = ANY($3) ORDER BY thread_id, position`,
    [tenantId, ids, expected.flatMap((thread) => thread.messages.map(({ id }) => id))],
  )
  const threadById = new Map(threads.rows.map((row) => [row.id, row]))
  const rowsByThread = new Map<string, MessageRow[]>(ids.map((id) => [id, []]))
  for (const row of messages.rows) rowsByThread.get(row.threadId)?.push(row)
  const stored = new Set(before.messages.map(({ id }) => id))
  return expected.map((thread) =>
    compareThread(thread, threadById.get(thread.id), rowsByThread.get(thread.id) ?? [], stored),
  )
}

function compareThread(
  thread: ExpectedThread,
  row: ThreadRow | undefined,
  rows: readonly MessageRow[],
  stored: ReadonlySet<string>,
): ThreadReport {
  const { id, sessionId, title, declaredCount } = thread
  const edited = editedMessages(thread, rows, stored)
  const fileHash = contentHash(thread.messages.filter((message) => !edited.has(message.id)))
  const databaseHash = contentHash(rows.filter((message) => !edited.has(message.id)))
  return {
    id,
    sessionId,
    title,
    declaredCount,
    fileCount: thread.messages.length,
    databaseCount: row?.count ?? 0,
    fileHash,
    databaseHash,
    editedInDatabase: [...edited],
    agrees: row?.sessionId === sessionId && fileHash === databaseHash,
  }
}

/** Messages that were there before and have been changed since they were first stored. */
function editedMessages(
  { messages }: ExpectedThread,
  rows: readonly MessageRow[],
  stored: ReadonlySet<string>,
): Set<string> {
  const fileContent = new Map(messages.map(({ id, content }) => [id, content]))
  const edited = rows.filter(
    ({ id, version, content }) => stored.has(id) && version > 1 && content !== fileContent.get(id),
  )
  return new Set(edited.map(({ id }) => id))
}

/** SHA-256 over order, id, role and content. */
function contentHash(
  messages: readonly { readonly id: string; readonly role: string; readonly content: string }[],
): string {
  const hash = createHash('sha256')
  for (const [index, { id, role, content }] of messages.entries()) {
    hash.update(JSON.stringify([index, id, role, content]))
  }
  return hash.digest('hex')
}
