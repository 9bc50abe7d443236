import { hash } from 'node:crypto'
import type { LegacyMessage } from './legacy-records.ts'

/**
 * SHA-256 over what a message says, as hexadecimal: id, role, content, client id and time of
 * creation. Computed here from the file, and by `messageDigestSql` from the database.
 */
export function messageDigest(message: LegacyMessage): string {
  const { id, role, content, clientMessageId, createdAt } = message
  const idBytes = Buffer.byteLength(id)
  const contentBytes = Buffer.byteLength(content)
  return hash(
    'sha256',
    `${idBytes}|${id}|${role}|${contentBytes}|${content}|${clientMessageId ?? ''}|${createdAt.getTime()}`,
  )
}

/** The same over a row of `chat_messages`, under the given alias. */
export function messageDigestSql(row: string): string {
  return `sha256(convert_to(concat_ws('|', octet_length(${row}.id), ${row}.id, ${row}.role,
    octet_length(${row}.content), ${row}.content, coalesce(${row}.client_message_id, ''),
    (extract(epoch FROM ${row}.created_at) * 1000)::bigint), 'UTF8'))`
}

/** What a message has beside what its digest is over, as eight bytes that are the same for equal JSON. */
export function extrasSql(row: string): string {
  return `int8send(jsonb_hash_extended(${row}.parts, jsonb_hash_extended(${row}.metadata, 0)))`
}
