import type { Pool } from 'pg'
import { expect } from 'vitest'

/** Compares the counters of all threads with their messages. */
export async function expectTrueCounters(pool: Pool): Promise<void> {
  const { rows } = await pool.query(`
    SELECT t.id, t.message_count, t.last_message_at, t.last_message_preview, t.last_position,
      count(m.id) AS true_count,
      (array_agg(m.created_at ORDER BY m.position DESC) FILTER (WHERE m.role <> 'tool'))[1] AS true_last_at,
      (array_agg(left(m.content, 280) ORDER BY m.position DESC) FILTER (WHERE m.role <> 'tool'))[1] AS true_preview
    FROM chat_threads t
    LEFT JOIN chat_messages m ON m.tenant_id = t.tenant_id AND m.thread_id = t.id
    GROUP BY t.tenant_id, t.id
    HAVING (t.message_count, t.last_message_at, t.last_message_preview) IS DISTINCT FROM
      (count(m.id), (array_agg(m.created_at ORDER BY m.position DESC) FILTER (WHERE m.role <> 'tool'))[1],
        (array_agg(left(m.content, 280) ORDER BY m.position DESC) FILTER (WHERE m.role <> 'tool'))[1])
      OR t.last_position < max(m.position)`)
  expect(rows).toEqual([])
}
