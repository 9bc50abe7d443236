import { sql } from 'kysely'
import { STREAM_EPOCH_MS } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import {
  type AppendMutation,
  commonSlots,
  type MutationPlan,
  type MutationSlot,
  type PlanContext,
} from './mutation-plan.ts'

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
export function planAppend({ slot, see, permitted }: PlanContext): MutationPlan {
  const { tenantId, rowId } = commonSlots(slot)
  const writer = appendSlot(slot, 'writer', ({ writer }) => writer)
  const seq = appendSlot(slot, 'seq', ({ seq }) => seq)
  const count = appendSlot(slot, 'count', ({ deltas }) => deltas.length)
  const deltas = appendSlot(slot, 'deltas', ({ deltas }) => JSON.stringify(deltas))
  const given = sql`
    SELECT ${seq}::integer + n::integer - 1 AS seq, value->>'delta' AS delta, value->'part' AS part
    FROM jsonb_array_elements(${deltas}::text::jsonb) WITH ORDINALITY AS given (value, n)`
  return {
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted,
        CASE WHEN message.status = 'streaming'
            AND message.metadata->'stream'->>'writer' = ${writer}::text
            AND (stored.same = ${count}::integer
              OR (stored.same = 0 AND ${seq}::integer = coalesce(stored.next,
                session_db_stream_from(message.metadata), 0)))
          THEN ${sql.lit(MAY_APPEND)} ELSE 0 END AS current_version,
        stored.same = 0 AS changes, message.id AS result_id, message.version AS result_version,
        message.session_id,
        floor(extract(epoch FROM message.created_at) * 1000 / ${sql.lit(STREAM_EPOCH_MS)})
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
      WHERE message.tenant_id = ${tenantId}::text AND message.id = ${rowId}::text AND (${see})
      FOR SHARE OF message`,
    write: sql`
      INSERT INTO chat_message_deltas (tenant_id, message_id, seq, session_id, epoch, delta, part)
      SELECT ${tenantId}::text, target.result_id, g.seq, target.session_id, target.epoch,
        g.delta, g.part
      FROM target, admitted, (${given}) AS g WHERE target.changes`,
  }
}

function appendSlot(slot: MutationSlot, key: string, read: (mutation: AppendMutation) => unknown) {
  return slot(key, ({ mutation }) => (mutation.type === 'append' ? read(mutation) : null))
}
