import { type RawBuilder, sql } from 'kysely'
import {
  type ChatMessage,
  type ColumnDefinition,
  chatMessageColumns,
  chatMessageRowSchema,
  foldDeltas,
  type MessageDelta,
  type Principal,
} from '../../schema/index.ts'
import type { Driver } from './drivers.ts'
import { withParents } from './plans.ts'
import type { SessionPolicy } from './policy.ts'
import { compileFragment } from './prepared-statements.ts'

interface StoredMessage {
  /** The row as JSON. */
  readonly message: string
  /** Its deltas in order, as a JSON array. */
  readonly deltas: string
}

/** Reads a message with the deltas streamed so far; undefined when the principal can't see one. */
export async function readMessage<P extends Principal>(
  driver: Driver,
  policy: SessionPolicy<P>,
  principal: P,
  id: string,
): Promise<ChatMessage | undefined> {
  const { tenantId } = principal
  const statement: RawBuilder<StoredMessage> = sql`
    SELECT to_jsonb(message)::text AS message, (
      SELECT coalesce(jsonb_agg(jsonb_build_object('delta', d.delta, 'part', d.part) ORDER BY d.seq),
        '[]')::text
      FROM chat_message_deltas d
      WHERE d.tenant_id = message.tenant_id AND d.message_id = message.id
    ) AS deltas
    FROM ${sql.raw(withParents('chatMessages', 'true'))}
    WHERE message.tenant_id = ${tenantId} AND message.id = ${id} AND (${policy.see(principal)})`
  const { sql: text, parameters: values } = compileFragment(statement)
  const [stored] = (await driver.run({ name: undefined, text, values })) as StoredMessage[]
  if (stored === undefined) return undefined
  const message = toMessage(JSON.parse(stored.message) as Record<string, unknown>)
  const deltas = JSON.parse(stored.deltas) as MessageDelta[]
  return { ...message, ...foldDeltas(message, deltas) }
}

function toMessage(row: Record<string, unknown>): ChatMessage {
  const columns = Object.entries<ColumnDefinition>(chatMessageColumns)
  const entries = columns.map(([property, { name, type }]) => {
    const value = row[name]
    const isTime = type === 'timestamp with time zone' && typeof value === 'string'
    return [property, isTime ? new Date(value) : value]
  })
  return chatMessageRowSchema.parse(Object.fromEntries(entries))
}
