import { type RawBuilder, sql } from 'kysely'
import {
  chatMessageColumns,
  chatThreadColumns,
  type Principal,
  sessionColumns,
  timelineEventColumns,
} from '../../schema/index.ts'
import { joinSession } from './collection-sql.ts'
import { insertValues } from './column-values.ts'
import type { MutationPlan, PlanContext } from './mutation-plan.ts'
import type { MutationOf } from './policy.ts'

/** Plans a new session. It has no parent, and its owner is the principal. */
export function planSessionInsert<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: MutationOf<'sessions', 'insert'>,
): MutationPlan {
  const { names, values } = insertValues(sessionColumns, mutation.value)
  return {
    mutation,
    target: sql`
      SELECT (${policy.sessions.insert(principal, mutation)}) IS TRUE AS permitted,
        NULL::integer AS current_version, true AS changes,
        ${mutation.value.id}::text AS result_id, 1 AS result_version`,
    write: sql`
      INSERT INTO sessions (tenant_id, owner_id, ${sql.join(names)})
      SELECT ${principal.tenantId}::text, ${principal.userId}::text, ${sql.join(values)}
      FROM target, admitted`,
  }
}

/** Plans a new event in the timeline of a session. */
export function planTimelineEventInsert<User extends Principal>(
  context: PlanContext<User>,
  mutation: MutationOf<'timelineEvents', 'insert'>,
): MutationPlan {
  const { principal, policy } = context
  const { names, values } = insertValues(timelineEventColumns, mutation.value)
  const permitted = policy.timelineEvents.insert(principal, mutation)
  return {
    mutation,
    target: inSession(context, mutation.value, permitted, sql`NULL::integer`),
    write: sql`
      INSERT INTO timeline_events (tenant_id, ${sql.join(names)})
      SELECT ${principal.tenantId}::text, ${sql.join(values)} FROM target, admitted`,
  }
}

/** Plans a new thread in a session. An active one archives the one before it (by a trigger). */
export function planThreadInsert<User extends Principal>(
  context: PlanContext<User>,
  mutation: MutationOf<'chatThreads', 'insert'>,
): MutationPlan {
  const { principal, policy } = context
  const { names, values } = insertValues(chatThreadColumns, mutation.value)
  const permitted = policy.chatThreads.insert(principal, mutation)
  return {
    mutation,
    target: inSession(context, mutation.value, permitted, sql`1`),
    write: sql`
      INSERT INTO chat_threads (tenant_id, created_by, ${sql.join(names)})
      SELECT ${principal.tenantId}::text, ${principal.userId}::text, ${sql.join(values)}
      FROM target, admitted`,
  }
}

/** The decision on a row that is to be put into a session. */
function inSession<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  { id, sessionId }: { readonly id: string; readonly sessionId: string },
  permitted: RawBuilder<boolean>,
  version: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`
    SELECT (${permitted}) IS TRUE AS permitted, NULL::integer AS current_version, true AS changes,
      ${id}::text AS result_id, ${version} AS result_version
    FROM sessions AS session
    WHERE session.tenant_id = ${principal.tenantId} AND session.id = ${sessionId}
      AND (${policy.see(principal)})`
}

/**
 * Plans a message at the end of a thread. The thread stays locked from the moment its last position
 * is read, so positions have no gap and no duplicate. A message whose `clientMessageId` the thread
 * already has is not stored again: the result names the one that is there.
 */
export function planMessageInsert<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: MutationOf<'chatMessages', 'insert'>,
): MutationPlan {
  const { id, threadId, clientMessageId } = mutation.value
  const { names, values } = insertValues(chatMessageColumns, mutation.value)
  return {
    mutation,
    target: sql`
      SELECT (${policy.chatMessages.insert(principal, mutation)}) IS TRUE AS permitted,
        NULL::integer AS current_version, earlier.id IS NULL AS changes,
        coalesce(earlier.id, ${id}::text) AS result_id,
        coalesce(earlier.version, 1) AS result_version,
        thread.session_id, thread.last_position + 1 AS position
      FROM chat_threads AS thread
      ${joinSession(sql.id('thread'))}
      LEFT JOIN chat_messages AS earlier
        ON earlier.tenant_id = thread.tenant_id AND earlier.thread_id = thread.id
          AND earlier.client_message_id = ${clientMessageId ?? null}::text
      WHERE thread.tenant_id = ${principal.tenantId} AND thread.id = ${threadId}
        AND (${policy.see(principal)})
      FOR NO KEY UPDATE OF thread`,
    write: sql`
      INSERT INTO chat_messages
        (tenant_id, session_id, author_id, position, ${sql.join(names)})
      SELECT ${principal.tenantId}::text, target.session_id, ${principal.userId}::text,
        target.position, ${sql.join(values)}
      FROM target, admitted WHERE target.changes`,
  }
}
