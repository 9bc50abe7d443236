import type { ClientBase, Pool } from 'pg'
import { transaction, withClient } from '../connections.ts'

export interface AbandonedMessagesOptions {
  /** A connection string or a pool. */
  readonly database: string | Pool
  /** Time without a delta or a heartbeat after which a message is abandoned, in ms. Default 60,000. */
  readonly timeoutMs?: number
  /**
   * Called with the error of a message that could not be marked; the others are marked. Default
   * `console.error`.
   */
  readonly onError?: (error: unknown) => void
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
 * Each message is marked by a statement of its own, limited to 10 s. One that fails is reported and
 * skipped by this process for 10 minutes, twice as long after each further failure and a day at most.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached.
 * @example
 * // in a scheduled job
 * const abandoned = await markAbandonedMessages({ database: pool })
 */
export async function markAbandonedMessages({
  database,
  timeoutMs = 60_000,
  onError = console.error,
}: AbandonedMessagesOptions): Promise<AbandonedMessage[]> {
  const timeout = `${timeoutMs} milliseconds`
  return withClient(database, async (client) => {
    const skipped = failures.filter(({ until }) => until > Date.now())
    const { rows: found } = await client.query<AbandonedMessage>(FIND, [
      timeout,
      skipped.map(({ key }) => key),
    ])
    const marked: AbandonedMessage[] = []
    for (const message of found) {
      try {
        if (await mark(client, message, timeout)) marked.push(message)
      } catch (error) {
        noteFailure(message)
        onError(error)
      }
    }
    return marked
  })
}

/** Messages that could not be marked, the oldest failure first. */
let failures: readonly {
  readonly key: string
  readonly until: number
  readonly pauseMs: number
}[] = []
const FIRST_PAUSE_MS = 600_000
const MAX_PAUSE_MS = 86_400_000
const MAX_FAILURES = 1_000

function noteFailure(message: AbandonedMessage): void {
  const key = keyOf(message)
  const before = failures.find((failure) => failure.key === key)
  const pauseMs = before ? Math.min(before.pauseMs * 2, MAX_PAUSE_MS) : FIRST_PAUSE_MS
  const others = failures.filter((failure) => failure.key !== key)
  failures = [...others, { key, pauseMs, until: Date.now() + pauseMs }].slice(-MAX_FAILURES)
}

/** As FIND builds it. */
function keyOf({ tenantId, id }: AbandonedMessage): string {
  return `${tenantId} ${id}`
}

const IS_ABANDONED = `
  m.status = 'streaming' AND m.updated_at < now() - $1::interval
  AND NOT EXISTS (
    SELECT FROM chat_message_deltas d
    WHERE d.tenant_id = m.tenant_id AND d.message_id = m.id
      AND d.created_at >= now() - $1::interval)`

const FIND = `
  SELECT m.tenant_id AS "tenantId", m.id FROM chat_messages m
  WHERE ${IS_ABANDONED} AND m.tenant_id || ' ' || m.id <> ALL ($2::text[])
  ORDER BY m.updated_at LIMIT 500`

/** Returns false when the message is no longer abandoned, or is locked: its writer is writing. */
function mark(client: ClientBase, message: AbandonedMessage, timeout: string): Promise<boolean> {
  return transaction(client, async () => {
    await client.query('SET LOCAL statement_timeout = 10000')
    const { rowCount } = await client.query(MARK, [timeout, message.tenantId, message.id])
    return rowCount === 1
  })
}

const MARK = `
  UPDATE chat_messages message SET status = 'error',
    metadata = metadata || jsonb_build_object('stream',
      CASE WHEN jsonb_typeof(metadata->'stream') = 'object' THEN metadata->'stream' ELSE '{}' END
        || '{"error": {"code": "abandoned", "message": "The answer broke off."}}')
  FROM (
    SELECT m.tenant_id, m.id FROM chat_messages m
    WHERE m.tenant_id = $2 AND m.id = $3 AND ${IS_ABANDONED}
    FOR NO KEY UPDATE SKIP LOCKED
  ) abandoned
  WHERE message.tenant_id = abandoned.tenant_id AND message.id = abandoned.id`

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
 * @param options.onError Called with the error of a message or of a whole run; the next run starts as
 * scheduled. Default `console.error`.
 * @example
 * const watch = watchAbandonedMessages({ database: pool })
 */
export function watchAbandonedMessages(
  options: AbandonedMessagesOptions & {
    readonly everyMs?: number
    readonly onMarked?: (messages: readonly AbandonedMessage[]) => void
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
