import type { ClientBase } from 'pg'
import { copyLine } from '../../server/copy-text.ts'
import { type LegacyMessage, type LegacyThread, NO_METADATA } from './legacy-records.ts'
import { messageDigest } from './message-digest.ts'
import type { ReadRecord } from './read-records.ts'
import { recordTimes } from './record-times.ts'

/** Numbers of the files in the staging tables: the order in which records with one id win. */
export const fileNumbers = {
  'chat-threads.json': 0,
  'chat-messages.json': 1,
  'chat-tool-events.json': 2,
} as const

/**
 * Makes the temporary tables that the files are read into; they end with the transaction. They are
 * what bounds memory: however large the files, what is decided about them is decided in Postgres.
 * What a message says is not there, only its digest: it is read a second time when it is written.
 * `parts` and `metadata` are NULL when there is nothing in them.
 */
export async function createStagingTables(client: ClientBase): Promise<void> {
  await client.query(`
    SET LOCAL work_mem = '128MB';
    SET LOCAL maintenance_work_mem = '256MB';
    SET LOCAL jit = off;
    CREATE TEMP TABLE legacy_threads (
      index integer NOT NULL, id text NOT NULL, session_id text NOT NULL, mode text NOT NULL,
      title text NOT NULL, status text NOT NULL, declared_count bigint,
      created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, metadata jsonb NOT NULL
    ) ON COMMIT DROP;
    CREATE TEMP TABLE legacy_messages (
      n integer NOT NULL, file smallint NOT NULL, index integer NOT NULL,
      id text NOT NULL, session_id text NOT NULL, mode text, thread_id text,
      client_message_id text, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
      parts jsonb, metadata jsonb, digest bytea NOT NULL, start bigint NOT NULL,
      bytes integer NOT NULL
    ) ON COMMIT DROP`)
}

export const threadCopy = `COPY legacy_threads FROM STDIN`
export const messageCopy = `COPY legacy_messages FROM STDIN`

export function threadLine(thread: LegacyThread): string {
  const { index, id, sessionId, mode, title, status, declaredCount } = thread
  return copyLine([
    ...[index, id, sessionId, mode, title, status, declaredCount],
    ...recordTimes(thread),
    JSON.stringify(thread.metadata),
  ])
}

/** @param n the message's place in all files together. */
export function messageLine(read: ReadRecord<LegacyMessage>, n: number): string {
  const message = read.record
  const { file, index, id, sessionId, mode, threadId, parts, metadata } = message
  return copyLine([
    n,
    fileNumbers[file],
    index,
    id,
    sessionId,
    mode,
    threadId,
    message.clientMessageId,
    ...recordTimes(message),
    parts.length === 0 ? null : JSON.stringify(parts),
    metadata === NO_METADATA ? null : JSON.stringify(metadata),
    `\\x${messageDigest(message)}`,
    read.start,
    read.bytes,
  ])
}
