import type { ClientBase, Pool } from 'pg'
import { type Codec, type Compressed, decompress } from './codec.ts'
import type { ByteRange } from './content-store.ts'

/** Bytes of a chunk before it is compressed: what a small range has to decompress at least. */
export const CHUNK_BYTES = 256 * 1024

/** Chunks that are read, or written, with one statement. */
export const CHUNKS_PER_STATEMENT = 8

/** A content in the database, complete or a draft. */
export interface ContentId {
  readonly tenantId: string
  readonly contentId: string
}

/** A chunk, compressed, and its place. */
export interface ChunkRow extends Compressed {
  readonly start: number
  /** Before it was compressed. */
  readonly bytes: number
}

/** Adds chunks to a content. */
export async function insertChunks(
  client: ClientBase,
  { tenantId, contentId }: ContentId,
  chunks: readonly ChunkRow[],
): Promise<void> {
  await client.query({
    name: 'session_db_insert_chunks',
    text: `
      INSERT INTO session_content_chunks (tenant_id, content_id, start, bytes, codec, data)
      SELECT $1, $2, c.* FROM unnest($3::bigint[], $4::int[], $5::text[], $6::bytea[]) AS c`,
    values: [
      tenantId,
      contentId,
      chunks.map(({ start }) => start),
      chunks.map(({ bytes }) => bytes),
      chunks.map(({ codec }) => codec),
      chunks.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
    ],
  })
}

/** Reads what the chunks of a content hold; nothing where there is no such content. */
export async function* readChunks(
  database: Pool | ClientBase,
  { tenantId, contentId }: ContentId,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: ByteRange = {},
): AsyncGenerator<Uint8Array> {
  // Small ranges are common, and one chunk often is all they need.
  let limit = 1
  for (let position = start; position < end; limit = CHUNKS_PER_STATEMENT) {
    const { rows } = await database.query<{
      start: string
      bytes: number
      codec: Codec
      data: Buffer
    }>({
      name: 'session_db_read_chunks',
      text: `
        SELECT start, bytes, codec, data FROM session_content_chunks
        WHERE tenant_id = $1 AND content_id = $2 AND start < $4::bigint AND start >= (
          SELECT max(start) FROM session_content_chunks
          WHERE tenant_id = $1 AND content_id = $2 AND start <= $3::bigint)
        ORDER BY start LIMIT $5`,
      values: [tenantId, contentId, position, end, limit],
    })
    for (const row of rows) {
      const at = Number(row.start)
      if (at + row.bytes <= position) return
      const bytes = await decompress(row)
      yield bytes.subarray(position - at, end - at)
      position = at + row.bytes
    }
    if (rows.length < limit) return
  }
}
