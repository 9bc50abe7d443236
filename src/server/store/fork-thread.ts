import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { idField, titleField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import type { WriteLimits } from '../../writes/limits.ts'
import { missingRow, tooMany } from './errors.ts'
import { TXID, UPDATE_LOCK } from './plans.ts'
import { type Reading, readThread, run } from './reading.ts'

/** The branch to copy into a new thread. */
export interface ThreadFork {
  readonly threadId: string
  /** The last message to copy. */
  readonly messageId: string
  /** The id of the new thread. Default: a UUIDv7. */
  readonly id?: string
  /** Default: the title of the thread. */
  readonly title?: string
}

/** A thread that `forkThread` has created. */
export interface ForkedThread {
  readonly id: string
  /** Await it on the session's threads: `db.confirm(threads, txid)`. */
  readonly txid: number
}

const forkSchema = z.strictObject({
  threadId: idField,
  messageId: idField,
  id: z.optional(idField),
  title: z.optional(titleField),
})

/** Copies the branch that ends with a message into a new thread of the same session. */
export async function forkThread<P extends Principal>(
  reading: Reading<P>,
  principal: P,
  fork: ThreadFork,
  { maxThreads }: Pick<WriteLimits, 'maxThreads'>,
): Promise<ForkedThread> {
  const valid = validated(forkSchema, fork, 'The fork')
  const { threadId, messageId, id = uuidv7(), title } = valid
  const { tenantId, userId } = principal
  const source = await readThread(reading, principal, threadId, { last: 1, branch: messageId })
  if (source === undefined) throw missingRow('thread or message')
  if (source.messages[0]?.status === 'streaming') {
    throw new SessionDbError('conflict', 'This answer is still growing. Fork it when it has ended.')
  }
  const { sessionId, mode, metadata } = source.thread
  const value = { id, sessionId, mode, title: title ?? source.thread.title, metadata }
  const { policy, driver } = reading
  const permitted = policy.permits(principal, { collection: 'chatThreads', type: 'insert', value })
  const statement = sql`
    WITH RECURSIVE target AS MATERIALIZED (
      SELECT (${permitted}) IS TRUE AS permitted, EXISTS (
          SELECT FROM chat_threads AS other WHERE other.tenant_id = ${tenantId}
            AND other.session_id = ${sessionId} AND other.created_by = ${userId}
          OFFSET ${maxThreads}::bigint - 1
        ) AS is_full
      FROM sessions AS session
      WHERE session.tenant_id = ${tenantId} AND session.id = ${sessionId}
        AND (${policy.see(principal)}) AND ${sql.raw(`${UPDATE_LOCK.queue} ${UPDATE_LOCK.row}`)}
    ), path AS (
      SELECT m.id, m.parent_id, 1 AS n FROM target
      JOIN chat_messages m ON m.tenant_id = ${tenantId} AND m.id = ${messageId}
        AND m.thread_id = ${threadId}
      WHERE target.permitted AND NOT target.is_full
      UNION ALL
      SELECT m.id, m.parent_id, path.n + 1 FROM path
      JOIN chat_messages m ON m.tenant_id = ${tenantId} AND m.id = path.parent_id
    ), copy AS MATERIALIZED (
      SELECT id, gen_random_uuid()::text AS new_id, row_number() OVER (ORDER BY n DESC) AS position
      FROM path
    ), made AS (
      INSERT INTO chat_threads (tenant_id, id, session_id, created_by, mode, title, metadata)
      SELECT ${tenantId}, ${id}, ${sessionId}, ${userId}, ${mode}, ${value.title},
        ${JSON.stringify(metadata)}::text::jsonb
      WHERE EXISTS (SELECT FROM path)
      RETURNING ${sql.raw(TXID)}::text AS txid
    ), copied AS (
      INSERT INTO chat_messages (tenant_id, id, thread_id, session_id, author_id, role, content, parts,
        parent_id, status, position, metadata, created_at, updated_at)
      SELECT ${tenantId}, copy.new_id, ${id}, ${sessionId}, m.author_id, m.role, m.content, m.parts,
        lag(copy.new_id) OVER (ORDER BY copy.position), m.status, copy.position, m.metadata,
        m.created_at, m.updated_at
      FROM made CROSS JOIN copy JOIN chat_messages m ON m.tenant_id = ${tenantId} AND m.id = copy.id
    )
    SELECT target.permitted, target.is_full, made.txid FROM target LEFT JOIN made ON true`
  const [row] = await run<{
    readonly permitted: boolean
    readonly is_full: boolean
    readonly txid: string | null
  }>(driver, statement)
  if (row?.permitted === false) {
    throw new SessionDbError('forbidden', "You don't have permission to add this thread.")
  }
  if (row?.is_full) throw tooMany('The fork', 'maxThreads', {})
  if (row === undefined || row.txid === null) throw missingRow('thread or message')
  return { id, txid: Number(row.txid) }
}
