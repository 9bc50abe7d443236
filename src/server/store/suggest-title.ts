import { sql } from 'kysely'
import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { idField, titleField } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import { missingRow } from './errors.ts'
import { SHARE_LOCK } from './plans.ts'
import { type Reading, run } from './reading.ts'

/** A title that a model suggests for a thread. */
export interface TitleSuggestion {
  readonly threadId: string
  /** 1 to 1,000 characters. */
  readonly title: string
}

const suggestionSchema = z.strictObject({ threadId: idField, title: titleField })

/** Sets the title of a thread, unless a user has changed it. Returns whether it was set. */
export async function suggestTitle<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  suggestion: TitleSuggestion,
): Promise<boolean> {
  const { threadId, title } = validated(suggestionSchema, suggestion, 'The title')
  const { tenantId } = principal
  const rename = {
    collection: 'chatThreads',
    type: 'update',
    id: threadId,
    changes: { title },
  } as const
  const statement = sql`
    WITH target AS MATERIALIZED (
      SELECT (${policy.permits(principal, rename)}) IS TRUE AS permitted, thread.title_set
      FROM chat_threads AS thread CROSS JOIN LATERAL (
        SELECT * FROM sessions AS session
        WHERE session.tenant_id = thread.tenant_id AND session.id = thread.session_id
          AND (${policy.see(principal)}) AND ${sql.raw(SHARE_LOCK.queue)}
        OFFSET 0 ${sql.raw(SHARE_LOCK.row)}
      ) AS session
      WHERE thread.tenant_id = ${tenantId} AND thread.id = ${threadId}
      FOR NO KEY UPDATE OF thread
    ), written AS (
      UPDATE chat_threads AS thread
      SET title = ${title}, version = thread.version + 1, updated_at = now()
      FROM target
      WHERE thread.tenant_id = ${tenantId} AND thread.id = ${threadId}
        AND target.permitted AND NOT target.title_set
      RETURNING thread.id
    )
    SELECT target.permitted, EXISTS (SELECT FROM written) AS written FROM target`
  const [row] = await run<{ readonly permitted: boolean; readonly written: boolean }>(
    driver,
    statement,
  )
  if (row === undefined) {
    throw missingRow('thread')
  }
  if (row.permitted) return row.written
  throw new SessionDbError('forbidden', "You don't have permission to change this thread.")
}
