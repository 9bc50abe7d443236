import type { Pool } from 'pg'
import { transaction, withClient } from '../connections.ts'

export interface AbandonedMessagesOptions {
  /** A connection string or a pool. */
  readonly database: string | Pool
  /** Time without a delta or a heartbeat after which a message is abandoned, in ms. Default 60,000. */
  readonly timeoutMs?: number
}

/** A message that was marked as abandoned. */
export interface AbandonedMessage {
  readonly tenantId: string
  readonly id: string
}

/**
 * Marks streaming messages whose writer is gone. Their status becomes `error`, the content so far stays
 * and `metadata.stream.error` has the code `abandoned`. They can be resumed. Any number of processes may
 * run this concurrently. A live writer sends a heartbeat every 20 s (`heartbeatMs`).
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 * @example
 * // in a scheduled job
 * const abandoned = await markAbandonedMessages({ database: pool })
 */
export async function markAbandonedMessages({
  database,
  timeoutMs = 60_000,
}: AbandonedMessagesOptions): Promise<AbandonedMessage[]> {
  return withClient(database, async (client) => {
    const { rows } = await transaction(client, () =>
      client.query<AbandonedMessage>(MARK, [`${timeoutMs} milliseconds`]),
    )
    return rows
  })
}

/** Skips locked rows: their writer is writing right now. */
const MARK = `
  UPDATE chat_messages message SET status = 'error',
    metadata = metadata || jsonb_build_object('stream',
      CASE WHEN jsonb_typeof(metadata->'stream') = 'object' THEN metadata->'stream' ELSE '{}' END
        || '{"error": {"code": "abandoned", "message": "The answer broke off."}}')
  FROM (
    SELECT m.tenant_id, m.id FROM chat_messages m
    WHERE m.status = 'streaming' AND m.updated_at < now() - $1::interval
      AND NOT EXISTS (
        SELECT FROM chat_message_deltas d
        WHERE d.tenant_id = m.tenant_id AND d.message_id = m.id
          AND d.created_at >= now() - $1::interval)
    ORDER BY m.updated_at LIMIT 500
    FOR NO KEY UPDATE SKIP LOCKED
  ) gone
  WHERE message.tenant_id = gone.tenant_id AND message.id = gone.id
  RETURNING message.tenant_id AS "tenantId", message.id`

/** A running watch over abandoned messages. */
export interface AbandonedMessagesWatch {
  /** Stops the watch, and resolves when a run in progress has ended. */
  stop(): Promise<void>
}

/**
 * Runs `markAbandonedMessages` regularly until it is stopped. Each instance of a server may run one. The
 * timer doesn't keep the process alive.
 *
 * @param options.everyMs Interval in ms. Default 15,000.
 * @param options.onMarked Called with the messages of a run that marked any.
 * @param options.onError Called with the error of a failed run; the next one starts as scheduled.
 * Default `console.error`.
 * @example
 * const watch = watchAbandonedMessages({ database: pool })
 */
export function watchAbandonedMessages(
  options: AbandonedMessagesOptions & {
    readonly everyMs?: number
    readonly onMarked?: (messages: readonly AbandonedMessage[]) => void
    readonly onError?: (error: unknown) => void
  },
): AbandonedMessagesWatch {
  const { everyMs = 15_000, onMarked, onError = console.error } = options
  let running: Promise<void> = Promise.resolve()
  const run = async () => {
    try {
      const messages = await markAbandonedMessages(options)
      if (messages.length > 0) onMarked?.(messages)
    } catch (error) {
      onError(error)
    }
  }
  const timer = setInterval(() => {
    running = running.then(run)
  }, everyMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      return running
    },
  }
}
