import { sql } from 'kysely'
import { type Principal, STREAM_EPOCH_MS } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import type { AppendMutation, MutationPlan, PlanContext } from './mutation-plan.ts'

/** The `current_version` of the target of an append that may be made. */
export const MAY_APPEND = 1

/**
 * Plans deltas for a message that is being streamed. The message is locked against its end, so that
 * no delta comes after the text has been put together; it is not changed, so a delta costs what a
 * delta is long and not what the message is long.
 *
 * It may be made when the message still has this writer, and the deltas are the next ones, or are
 * all there already: then they have been sent again, and nothing is stored.
 */
export function planAppend<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: AppendMutation,
): MutationPlan {
  const { id, writer, seq, deltas } = mutation
  const update = { collection: 'chatMessages', type: 'update', id, changes: {} } as const
  const given = sql`
    SELECT ${seq}::integer + n::integer - 1 AS seq, value->>'delta' AS delta, value->'part' AS part
    FROM jsonb_array_elements(${JSON.stringify(deltas)}::jsonb) WITH ORDINALITY AS given (value, n)`
  return {
    mutation,
    target: sql`
      SELECT (${policy.chatMessages.update(principal, update)}) IS TRUE AS permitted,
        CASE WHEN message.status = 'streaming'
            AND message.metadata->'stream'->>'writer' = ${writer}::text
            AND (stored.same = ${deltas.length}::integer
              OR (stored.same = 0 AND ${seq}::integer = coalesce(stored.next,
                session_db_stream_from(message.metadata), 0)))
          THEN ${MAY_APPEND}::integer ELSE 0 END AS current_version,
        stored.same = 0 AS changes, message.id AS result_id, message.version AS result_version,
        message.session_id,
        floor(extract(epoch FROM message.created_at) * 1000 / ${STREAM_EPOCH_MS}::integer)
          ::bigint::text AS epoch
      FROM ${collectionSql.chatMessages.from}
      CROSS JOIN LATERAL (
        SELECT
          (SELECT max(d.seq) + 1 FROM chat_message_deltas d
            WHERE d.tenant_id = message.tenant_id AND d.message_id = message.id) AS next,
          (SELECT count(*) FROM (${given}) AS g JOIN chat_message_deltas d
            ON d.tenant_id = message.tenant_id AND d.message_id = message.id AND d.seq = g.seq
              AND d.delta = g.delta AND d.part IS NOT DISTINCT FROM g.part) AS same
      ) AS stored
      WHERE message.tenant_id = ${principal.tenantId} AND message.id = ${id}
        AND (${policy.see(principal)})
      FOR SHARE OF message`,
    write: sql`
      INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta, part)
      SELECT ${principal.tenantId}::text, target.result_id, g.seq, target.session_id, target.epoch,
        g.delta, g.part
      FROM target, admitted, (${given}) AS g WHERE target.changes`,
  }
}
