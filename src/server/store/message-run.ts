import { type RawBuilder, sql } from 'kysely'
import { chatMessageColumns } from '../../schema/index.ts'
import type { Mutation } from '../../writes/index.ts'
import { joinSession } from './collection-sql.ts'
import type { BatchClaim } from './mutation-plan.ts'
import { isNewMessage, type NewMessage } from './new-message.ts'
import { TXID } from './statements.ts'
import type { Slot } from './template.ts'
import { countMessages } from './thread-counts.ts'

/** New messages of one thread, next to each other in a batch. */
export type MessageRun = readonly [NewMessage, ...NewMessage[]]

/** What the values of a run's statement are taken from. */
export interface MessageRunInput {
  readonly claim: BatchClaim
  readonly run: MessageRun
}

/** What became of a run. No row of it is written unless `permitted` is true. */
export interface MessageRunRow {
  /** Null when the principal sees no such thread. */
  readonly permitted: boolean | null
  readonly txid: string | null
}

/** Whether a message may be one of a run: one that may be there already is looked for by itself. */
export function isForRun(mutation: Mutation): mutation is NewMessage {
  return isNewMessage(mutation) && (mutation.value.clientMessageId ?? null) === null
}

const inserted = Object.entries(chatMessageColumns).filter(
  ([, { writable }]) => writable !== 'never',
)

/**
 * A run as one statement. It does what a statement for each would do, with one change to the thread
 * instead of as many as there are messages: within a transaction Postgres cannot clear away the
 * versions of a row that are over, and walks through all of them to find the last.
 */
export function messageRunStatement(
  slot: Slot<MessageRunInput>,
  policy: { readonly see: RawBuilder<unknown>; readonly permitted: RawBuilder<unknown> },
): RawBuilder<unknown> {
  const tenantId = slot('tenant', ({ claim }) => claim.principal.tenantId)
  const threadId = slot('thread', ({ run }) => run[0].value.threadId)
  const count = sql`${slot('count', ({ run }) => run.length)}::integer`
  const last = slot('last', ({ run }) => run.at(-1)?.value.content)
  const names = inserted.map(([, { name }]) => sql.id(name))
  return sql`
    WITH target AS MATERIALIZED (
      SELECT (${policy.permitted}) IS TRUE AS permitted, thread.session_id, thread.last_position,
        set_config('session_db.counted', 'on', true)
      FROM chat_threads AS thread
      ${joinSession(sql.id('thread'))}
      WHERE thread.tenant_id = ${tenantId}::text AND thread.id = ${threadId}::text
        AND (${policy.see})
      FOR NO KEY UPDATE OF thread
    ), written AS (
      INSERT INTO chat_messages (tenant_id, session_id, author_id, position, ${sql.join(names)})
      SELECT ${tenantId}::text, target.session_id,
        ${slot('user', ({ claim }) => claim.principal.userId)}::text,
        target.last_position + given.n, ${sql.join(inserted.map(givenOrDefault))}
      FROM target, jsonb_to_recordset(${slot('rows', ({ run }) => rowsOf(run))}::text::jsonb)
        AS given (n integer, ${sql.join(inserted.map(declare))})
      WHERE target.permitted ORDER BY given.n
    ), also_written AS (
      UPDATE chat_threads AS thread SET ${countMessages(count, last)}
      FROM target
      WHERE thread.tenant_id = ${tenantId}::text AND thread.id = ${threadId}::text
        AND target.permitted
    )
    SELECT target.permitted, CASE WHEN target.permitted THEN ${TXID}::text END AS txid
    FROM (VALUES (1)) AS one
    LEFT JOIN target ON true`
}

type Inserted = (typeof inserted)[number]

function declare([, { name, type }]: Inserted): RawBuilder<unknown> {
  return sql`${sql.id(name)} ${sql.raw(type)}`
}

/** What is left out becomes the column's default. */
function givenOrDefault([, { name, default: fallback }]: Inserted): RawBuilder<unknown> {
  const value = sql`given.${sql.id(name)}`
  return fallback === null ? value : sql`coalesce(${value}, ${sql.raw(fallback)})`
}

function rowsOf(run: MessageRun): string {
  return JSON.stringify(
    run.map(({ value }, index) => ({
      n: index + 1,
      ...Object.fromEntries(
        inserted.map(([property, { name }]) => [name, Reflect.get(value, property)]),
      ),
    })),
  )
}
