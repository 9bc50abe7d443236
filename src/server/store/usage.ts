import { sql } from 'kysely'
import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { countField, idField, textUpTo } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import { missingRow } from './errors.ts'
import { type Reading, run } from './reading.ts'

const MAX_NAME_LENGTH = 256
const MAX_SUMS = 10_000

const usageSchema = z.strictObject({
  messageId: idField,
  callId: textUpTo(MAX_NAME_LENGTH).check(z.minLength(1)),
  model: z.optional(textUpTo(MAX_NAME_LENGTH)),
  inputTokens: z.optional(countField),
  outputTokens: z.optional(countField),
  cachedTokens: z.optional(countField),
  reasoningTokens: z.optional(countField),
  durationMs: z.optional(countField),
  cost: z.optional(z.number().check(z.nonnegative())),
})

/** The usage of one model call. */
export interface ModelUsage {
  readonly model?: string
  /** All tokens of the prompt, those from the provider's cache included. */
  readonly inputTokens?: number
  /** All tokens of the answer, those of reasoning included. */
  readonly outputTokens?: number
  /** The tokens of the prompt that came from the provider's cache. */
  readonly cachedTokens?: number
  readonly reasoningTokens?: number
  readonly durationMs?: number
  /** In the app's currency. */
  readonly cost?: number
}

/** The usage of one model call for a message. */
export interface MessageUsage extends ModelUsage {
  readonly messageId: string
  /**
   * Identifies the call within the message, such as the provider's id of the response: a call that is recorded again
   * counts once. A message may have several calls, for example before and after a tool was approved.
   */
  readonly callId: string
}

/** The property to sum by. Months are those of UTC. */
export type UsageKey = 'message' | 'thread' | 'session' | 'user' | 'model' | 'month'

/** Selects the calls to sum. */
export interface UsageRequest {
  readonly by: UsageKey
  /** Calls from this time on. */
  readonly from?: Date
  /** Calls before this time. */
  readonly to?: Date
  readonly sessionId?: string
  readonly threadId?: string
  readonly userId?: string
}

/** The sum of calls with the same key. */
export interface UsageSum {
  /** The id of the message, thread, session or user; the model; or the month, such as `2026-11`. */
  readonly key: string
  readonly calls: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedTokens: number
  readonly reasoningTokens: number
  readonly durationMs: number
  readonly cost: number
}

/** Stores what a call used, unless it is stored already. Returns whether it was new. */
export async function recordUsage<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  usage: MessageUsage,
): Promise<boolean> {
  const valid = validated(usageSchema, usage, 'The usage')
  const { messageId, callId, model, durationMs, cost, ...tokens } = valid
  const { inputTokens = 0, outputTokens = 0, cachedTokens = 0, reasoningTokens = 0 } = tokens
  const { tenantId, userId } = principal
  const statement = sql`
    WITH target AS MATERIALIZED (
      SELECT message.id, message.thread_id, message.session_id
      FROM chat_messages AS message
      JOIN sessions AS session ON session.tenant_id = message.tenant_id
        AND session.id = message.session_id
      WHERE message.tenant_id = ${tenantId} AND message.id = ${messageId}
        AND (${policy.see(principal)})
    ), written AS (
      INSERT INTO chat_message_usage (tenant_id, message_id, call_id, thread_id, session_id, user_id,
        model, input_tokens, output_tokens, cached_tokens, reasoning_tokens, duration_ms, cost)
      SELECT ${tenantId}, target.id, ${callId}, target.thread_id, target.session_id, ${userId},
        ${model ?? null}::text, ${inputTokens}::bigint, ${outputTokens}::bigint,
        ${cachedTokens}::bigint, ${reasoningTokens}::bigint, ${durationMs ?? null}::bigint,
        ${cost ?? null}::float8
      FROM target
      ON CONFLICT DO NOTHING
      RETURNING message_id
    )
    SELECT EXISTS (SELECT FROM written) AS written FROM target`
  const [row] = await run<{ readonly written: boolean }>(driver, statement)
  if (row !== undefined) return row.written
  throw missingRow('message')
}

const KEYS: Readonly<Record<UsageKey, string>> = {
  message: 'used.message_id',
  thread: 'used.thread_id',
  session: 'used.session_id',
  user: 'used.user_id',
  model: "coalesce(used.model, '')",
  month: "to_char(used.created_at AT TIME ZONE 'UTC', 'YYYY-MM')",
}

/**
 * Sums what calls used: the principal's own, and everyone's in the sessions that it may edit. Own calls count
 * also after their message, thread or session is deleted.
 */
export async function readUsage<P extends Principal>(
  { driver, policy }: Reading<P>,
  principal: P,
  { by, from, to, sessionId, threadId, userId }: UsageRequest,
): Promise<UsageSum[]> {
  if (!Object.hasOwn(KEYS, by)) {
    throw new SessionDbError('invalid', `by must be one of ${Object.keys(KEYS).join(', ')}.`)
  }
  const filters = [
    ...(from === undefined ? [] : [sql`AND used.created_at >= ${from.toISOString()}::timestamptz`]),
    ...(to === undefined ? [] : [sql`AND used.created_at < ${to.toISOString()}::timestamptz`]),
    ...(sessionId === undefined ? [] : [sql`AND used.session_id = ${sessionId}`]),
    ...(threadId === undefined ? [] : [sql`AND used.thread_id = ${threadId}`]),
    ...(userId === undefined ? [] : [sql`AND used.user_id = ${userId}`]),
  ]
  const statement = sql`
    SELECT ${sql.raw(KEYS[by])} AS key, count(*)::float8 AS calls,
      sum(used.input_tokens)::float8 AS "inputTokens",
      sum(used.output_tokens)::float8 AS "outputTokens",
      sum(used.cached_tokens)::float8 AS "cachedTokens",
      sum(used.reasoning_tokens)::float8 AS "reasoningTokens",
      coalesce(sum(used.duration_ms), 0)::float8 AS "durationMs",
      coalesce(sum(used.cost), 0) AS cost
    FROM chat_message_usage AS used
    WHERE used.tenant_id = ${principal.tenantId}
      AND (used.user_id = ${principal.userId} OR EXISTS (
        SELECT FROM sessions AS session
        WHERE session.tenant_id = used.tenant_id AND session.id = used.session_id
          AND (${policy.see(principal)}) AND (${policy.oversees(principal)})))
      ${sql.join(filters, sql` `)}
    GROUP BY 1 ORDER BY 1 LIMIT ${MAX_SUMS}::integer`
  return run<UsageSum>(driver, statement)
}
