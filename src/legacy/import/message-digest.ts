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

/**
 * What a message has beside what its digest is over, as eight bytes that are the same for equal
 * JSON.
 */
export function extrasSql(row: string): string {
  return `int8send(jsonb_hash_extended(${partsSql(row)}, jsonb_hash_extended(${metadataSql(row)}, 0)))`
}

/** The parts of a row of `chat_messages` or of the staging table. */
export function partsSql(row: string): string {
  return `coalesce(${row}.parts, '[]')`
}

/** The metadata of a row of `chat_messages` or of the staging table. */
export function metadataSql(row: string): string {
  return `coalesce(${row}.metadata, '{}')`
}
