import type { Pool } from 'pg'
import { transaction, withClient } from '../connections.ts'

/** When a message counts as abandoned. */
export interface AbandonedMessagesOptions {
  /** A connection string or a pool. */
  readonly database: string | Pool
  /** A streaming message that nothing came for during this time, in ms. Default 60,000. */
  readonly timeoutMs?: number
}

/** A message that was marked. */
export interface AbandonedMessage {
  readonly tenantId: string
  readonly id: string
}

/**
 * Marks messages whose writer is gone: their status becomes `error`, what came stays, and
 * `metadata.stream.error` says `abandoned`. They can be resumed. Any number of processes may do this
 * at once; a writer that lives shows it every 20 s (`heartbeatMs`), also when it has nothing to say.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached
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

/** A row that somebody has locked is being written: its writer is there. */
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

/** A watch over abandoned messages. */
export interface AbandonedMessagesWatch {
  stop(): Promise<void>
}

/**
 * Looks for abandoned messages now and then, for as long as the process lives or until stopped. Each
 * instance of an app's server may run it.
 *
 * @param options.everyMs how often, in ms. Default 15,000.
 * @param options.onError hears of a failure; the next look comes as planned.
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
  const { everyMs = 15_000, onMarked, onError } = options
  let looking: Promise<void> = Promise.resolve()
  const look = async () => {
    try {
      const messages = await markAbandonedMessages(options)
      if (messages.length > 0) onMarked?.(messages)
    } catch (error) {
      onError?.(error)
    }
  }
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, everyMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      return looking
    },
  }
}
