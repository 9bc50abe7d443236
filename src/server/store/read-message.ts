import { type RawBuilder, sql } from 'kysely'
import {
  type ChatMessage,
  type ColumnDefinition,
  chatMessageColumns,
  chatMessageRowSchema,
  foldDelta,
  type MessageDelta,
  type Principal,
} from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import type { Driver } from './drivers/driver.ts'
import type { SessionPolicy } from './policy.ts'
import { compileFragment } from './template.ts'

interface StoredMessage {
  /** The row as JSON. */
  readonly message: string
  /** Its deltas in order, as a JSON array. */
  readonly deltas: string
}

/** Who reads, and under which policy. */
interface Reader<User extends Principal> {
  readonly principal: User
  readonly policy: SessionPolicy<User>
}

/** Reads a message and puts what has been streamed of it at its end. */
export async function readMessage<User extends Principal>(
  driver: Driver,
  reader: Reader<User>,
  id: string,
): Promise<ChatMessage | undefined> {
  const { sql: text, parameters: values } = compileFragment(selectMessage(reader, id))
  const [stored] = (await driver.run({ name: undefined, text, values })) as StoredMessage[]
  if (stored === undefined) return undefined
  const message = toMessage(JSON.parse(stored.message) as Record<string, unknown>)
  const deltas = JSON.parse(stored.deltas) as MessageDelta[]
  return { ...message, ...deltas.reduce(foldDelta, message) }
}

function selectMessage<User extends Principal>(
  { principal, policy }: Reader<User>,
  id: string,
): RawBuilder<StoredMessage> {
  return sql`
    SELECT to_jsonb(message)::text AS message, (
      SELECT coalesce(jsonb_agg(jsonb_build_object('delta', d.delta, 'part', d.part) ORDER BY d.seq),
        '[]')::text
      FROM chat_message_deltas d
      WHERE d.tenant_id = message.tenant_id AND d.message_id = message.id
    ) AS deltas
    FROM ${collectionSql.chatMessages.from}
    WHERE message.tenant_id = ${principal.tenantId} AND message.id = ${id}
      AND (${policy.see(principal)})`
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
