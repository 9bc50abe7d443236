import { type RawBuilder, sql } from 'kysely'
import {
  type CollectionName,
  chatMessageColumns,
  chatThreadColumns,
  sessionColumns,
  timelineEventColumns,
} from '../../schema/index.ts'
import { joinSession } from './collection-sql.ts'
import { insertValues } from './column-values.ts'
import { commonSlots, type MutationPlan, type PlanContext, propertyOf } from './mutation-plan.ts'
import { countMessages } from './thread-counts.ts'

/** Plans a new row: whose it is and what it belongs to come from the principal and its parent. */
export function planInsert(context: PlanContext, collection: CollectionName): MutationPlan {
  switch (collection) {
    case 'sessions':
      return planSessionInsert(context)
    case 'timelineEvents':
      return planTimelineEventInsert(context)
    case 'chatThreads':
      return planThreadInsert(context)
    case 'chatMessages':
      return planMessageInsert(context)
  }
}

/** A session has no parent, and its owner is the principal. */
function planSessionInsert({ slot, permitted }: PlanContext): MutationPlan {
  const { tenantId, userId, rowId } = commonSlots(slot)
  const { names, values } = insertValues(sessionColumns, slot)
  return {
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted, NULL::integer AS current_version,
        true AS changes, ${rowId}::text AS result_id, 1 AS result_version`,
    write: sql`
      INSERT INTO sessions (tenant_id, owner_id, ${sql.join(names)})
      SELECT ${tenantId}::text, ${userId}::text, ${sql.join(values)} FROM target, admitted`,
  }
}

function planTimelineEventInsert(context: PlanContext): MutationPlan {
  const { tenantId } = commonSlots(context.slot)
  const { names, values } = insertValues(timelineEventColumns, context.slot)
  return {
    target: inSession(context, sql`NULL::integer`),
    write: sql`
      INSERT INTO timeline_events (tenant_id, ${sql.join(names)})
      SELECT ${tenantId}::text, ${sql.join(values)} FROM target, admitted`,
  }
}

/** An active thread archives the one before it (by a trigger). */
function planThreadInsert(context: PlanContext): MutationPlan {
  const { tenantId, userId } = commonSlots(context.slot)
  const { names, values } = insertValues(chatThreadColumns, context.slot)
  return {
    target: inSession(context, sql`1`),
    write: sql`
      INSERT INTO chat_threads (tenant_id, created_by, ${sql.join(names)})
      SELECT ${tenantId}::text, ${userId}::text, ${sql.join(values)} FROM target, admitted`,
  }
}

/** The decision on a row that is to be put into a session. */
function inSession(
  { slot, see, permitted }: PlanContext,
  version: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const { tenantId, rowId } = commonSlots(slot)
  return sql`
    SELECT (${permitted}) IS TRUE AS permitted, NULL::integer AS current_version, true AS changes,
      ${rowId}::text AS result_id, ${version} AS result_version
    FROM sessions AS session
    WHERE session.tenant_id = ${tenantId}::text
      AND session.id = ${slot('sessionId', propertyOf('sessionId'))}::text AND (${see})`
}

/**
 * Plans a message at the end of a thread. The thread stays locked from the moment its last position
 * is read, so positions have no gap and no duplicate. A message whose `clientMessageId` the thread
 * already has is not stored again: the result names the one that is there. One without is not looked
 * for: a plan made while the table was small would read all of it each time.
 *
 * The thread is counted up here, and the setting tells the trigger that does it for other inserts:
 * one UPDATE in the same statement costs half of what the trigger does.
 */
function planMessageInsert({ slot, see, permitted }: PlanContext): MutationPlan {
  const { tenantId, userId, rowId } = commonSlots(slot)
  const read = (property: string) =>
    slot(property, (input) => propertyOf(property)(input) ?? null) as RawBuilder<string | null>
  const threadId = read('threadId')
  const clientMessageId = read('clientMessageId')
  const { names, values } = insertValues(chatMessageColumns, slot)
  return {
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted,
        NULL::integer AS current_version, earlier.id IS NULL AS changes,
        coalesce(earlier.id, ${rowId}::text) AS result_id,
        coalesce(earlier.version, 1) AS result_version,
        thread.session_id, thread.last_position + 1 AS position,
        set_config('session_db.counted', 'on', true)
      FROM chat_threads AS thread
      ${joinSession(sql.id('thread'))}
      LEFT JOIN LATERAL (
        SELECT message.id, message.version FROM chat_messages AS message
        WHERE ${clientMessageId}::text IS NOT NULL
          AND message.tenant_id = ${tenantId}::text AND message.thread_id = ${threadId}::text
          AND message.client_message_id = ${clientMessageId}::text
        OFFSET 0
      ) AS earlier ON true
      WHERE thread.tenant_id = ${tenantId}::text AND thread.id = ${threadId}::text AND (${see})
      FOR NO KEY UPDATE OF thread`,
    write: sql`
      INSERT INTO chat_messages
        (tenant_id, session_id, author_id, position, ${sql.join(names)})
      SELECT ${tenantId}::text, target.session_id, ${userId}::text,
        target.position, ${sql.join(values)}
      FROM target, admitted WHERE target.changes`,
    alsoWrite: sql`
      UPDATE chat_threads AS thread SET ${countMessages(sql`1`, read('content'))}
      FROM target, admitted
      WHERE thread.tenant_id = ${tenantId}::text AND thread.id = ${threadId}::text
        AND target.changes`,
  }
}
