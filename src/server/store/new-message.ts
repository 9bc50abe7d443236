import { type RawBuilder, sql } from 'kysely'
import { chatMessageColumns, type Principal } from '../../schema/index.ts'
import type { AppliedMutation, Mutation, WriteResult } from '../../writes/index.ts'
import { earlierAnswer } from './applied-batches.ts'
import type { BatchRun } from './batch-run.ts'
import { insertValues } from './column-values.ts'
import { isBatchTaken, isTaken } from './database-errors.ts'
import { commonSlots, type MutationInput, type PlanContext, propertyOf } from './mutation-plan.ts'
import type { MutationOf } from './policy.ts'
import { TXID } from './statements.ts'
import { countMessages } from './thread-counts.ts'

export type NewMessage = MutationOf<'chatMessages', 'insert'>

export function isNewMessage(mutation: Mutation): mutation is NewMessage {
  return mutation.collection === 'chatMessages' && mutation.type === 'insert'
}

/**
 * Applies a batch of one new message when nothing is against it, which is what a chat does all day.
 *
 * @returns undefined when something is, and nothing was written: the general statement finds out what.
 */
export async function applyNewMessage<User extends Principal>(
  run: BatchRun<User>,
  mutation: NewMessage,
): Promise<WriteResult | undefined> {
  const query = run.queries.newMessage(run.principal, run.claim, mutation)
  try {
    const [row] = (await run.driver.run(query)) as { readonly txid: string }[]
    if (row === undefined) return undefined
    const { batchId } = run.claim
    return { batchId, txid: Number(row.txid), mutations: [appliedMessage(mutation)] }
  } catch (error) {
    if (isBatchTaken(error)) return await earlierAnswer(run)
    if (isTaken(error)) return undefined
    throw error
  }
}

/**
 * A batch of one new message as one statement that decides and writes at the same time: the thread is
 * counted up where the principal may, and the rest follows from the row that was. That is an index
 * scan, a lock, and half of a speculative insertion less than deciding first; so it cannot say why it
 * did nothing, and a batch id, message or `clientMessageId` that is taken makes it fail.
 */
export function newMessageStatement({ slot, see, permitted }: PlanContext): RawBuilder<unknown> {
  const { tenantId, userId } = commonSlots(slot)
  const { names, values } = insertValues(chatMessageColumns, slot)
  const read = (property: string) => slot(property, (input) => propertyOf(property)(input) ?? null)
  return sql`
    WITH counted AS (
      UPDATE chat_threads AS thread SET ${countMessages(sql`1`, read('content'))}
      WHERE thread.tenant_id = ${tenantId}::text AND thread.id = ${read('threadId')}::text
        AND EXISTS (
          SELECT FROM sessions AS session
          WHERE session.tenant_id = thread.tenant_id AND session.id = thread.session_id
            AND (${see}) AND (${permitted}) OFFSET 0)
      RETURNING thread.session_id, thread.last_position AS position,
        set_config('session_db.counted', 'on', true)
    ), claimed AS (
      INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, txid, result)
      SELECT ${tenantId}::text, ${slot('batch', ({ claim }) => claim.batchId)}::text, ${userId}::text,
        ${slot('hash', ({ claim }) => claim.requestHash)}::text, ${TXID},
        ${slot('result', resultOf)}::text::jsonb
      FROM counted
      RETURNING txid
    ), written AS (
      INSERT INTO chat_messages (tenant_id, session_id, author_id, position, ${sql.join(names)})
      SELECT ${tenantId}::text, counted.session_id, ${userId}::text, counted.position,
        ${sql.join(values)}
      FROM counted
    )
    SELECT txid::text FROM claimed`
}

/** The result to be remembered, its txid apart. */
function resultOf({ claim, mutation }: MutationInput): string {
  if (!isNewMessage(mutation)) throw new TypeError('The mutation is no new message')
  return JSON.stringify({ batchId: claim.batchId, mutations: [appliedMessage(mutation)] })
}

/** What inserting a message has done. */
export function appliedMessage({ collection, type, value }: NewMessage): AppliedMutation {
  return { collection, type, id: value.id, version: 1 }
}
