import type { SetMutation } from '../../writes/batch.ts'
import { joinSession, NO_LOCK, type Plan, type PlanContext, SHARE_LOCK } from './plans.ts'

type Collection = SetMutation['collection']

/**
 * Plans a user's own row about a thread or a message. Anyone who sees the session may write one.
 *
 * The write itself takes the greater read position, so that concurrent writes of two windows never lower it.
 * A position beyond the thread's last message is lowered to it: later messages are not read yet.
 */
export function planSet(
  context: PlanContext,
  collection: Collection,
  properties: readonly string[],
): Plan {
  return collection === 'threadStates'
    ? planThreadState(context, properties)
    : planFeedback(context, properties)
}

/** A value of the row after the write: that of the mutation, or the one it has. */
interface Value {
  readonly column: string
  readonly sql: string
}

function planThreadState({ parameter, see }: PlanContext, properties: readonly string[]): Plan {
  const values: Value[] = []
  if (properties.includes('readPosition')) {
    const read = `least(${parameter('readPosition')}::bigint, parent.last_position)`
    values.push({ column: 'read_position', sql: `greatest(own.read_position, ${read})` })
  }
  if (properties.includes('pinned')) {
    const pinned = `CASE WHEN ${parameter('pinned')}::boolean THEN coalesce(own.pinned_at, now()) END`
    values.push({ column: 'pinned_at', sql: pinned })
  }
  return target(parameter, {
    parent: 'chat_threads',
    // Only the user sees the row, so a revoke need not wait for it.
    session: joinSession('parent', see, NO_LOCK),
    own: 'chat_thread_states',
    key: 'thread_id',
    values,
    onConflict: ({ column }) =>
      column === 'read_position'
        ? 'greatest(stored.read_position, excluded.read_position)'
        : `excluded.${column}`,
  })
}

function planFeedback({ parameter, see }: PlanContext, properties: readonly string[]): Plan {
  const values = ['rating', 'comment']
    .filter((column) => properties.includes(column))
    .map((column) => ({ column, sql: `${parameter(column)}::text` }))
  return target(parameter, {
    parent: 'chat_messages',
    session: joinSession('parent', see, SHARE_LOCK),
    own: 'chat_message_feedback',
    key: 'message_id',
    values,
    onConflict: ({ column }) => `excluded.${column}`,
  })
}

interface OwnRow {
  readonly parent: string
  /** Joins the session of the parent. */
  readonly session: string
  readonly own: string
  readonly key: string
  readonly values: readonly Value[]
  /** The value if another transaction has added the row meanwhile. */
  readonly onConflict: (value: Value) => string
}

function target(parameter: PlanContext['parameter'], row: OwnRow): Plan {
  const { parent, session, own, key, values, onConflict } = row
  const names = values.map(({ column }) => `, ${column}`).join('')
  const differs = values.map(({ column }) => `OR own.${column} IS DISTINCT FROM next.${column}`)
  const columns = values.map(({ column, sql }) => `${sql} AS ${column}`)
  const sets = values.map((value) => `${value.column} = ${onConflict(value)}`)
  return {
    target: `target AS MATERIALIZED (
      SELECT true AS permitted, NULL::integer AS current_version,
        (own.version IS NULL ${differs.join(' ')}) AS changes, parent.id AS result_id,
        parent.session_id, next.*,
        coalesce(own.version, 0) + CASE WHEN own.version IS NULL ${differs.join(' ')}
          THEN 1 ELSE 0 END AS result_version
      FROM ${parent} AS parent ${session}
      LEFT JOIN LATERAL (
        SELECT * FROM ${own} AS own
        WHERE own.tenant_id = ${parameter('tenant')}::text AND own.user_id = ${parameter('user')}::text
          AND own.${key} = parent.id
        OFFSET 0 FOR NO KEY UPDATE
      ) AS own ON true
      CROSS JOIN LATERAL (SELECT ${columns.join(', ')}) AS next
      WHERE parent.tenant_id = ${parameter('tenant')}::text AND parent.id = ${parameter('id')}::text)`,
    admitted: 'true',
    write: `
      INSERT INTO ${own} AS stored (tenant_id, user_id, ${key}, session_id${names})
      SELECT ${parameter('tenant')}::text, ${parameter('user')}::text, target.result_id,
        target.session_id${values.map(({ column }) => `, target.${column}`).join('')}
      FROM target, admitted WHERE target.changes
      ON CONFLICT (tenant_id, user_id, ${key}) DO UPDATE SET ${[
        'version = stored.version + 1',
        'updated_at = now()',
        ...sets,
      ].join(', ')}`,
  }
}
