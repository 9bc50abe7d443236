import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../../writes/errors.ts'
import type { ByteRange } from './content-store.ts'

/** Uncompressed size of a chunk, in bytes: the least that reading a range decompresses. */
export const CHUNK_BYTES = 256 * 1024

/** Chunks read or written per statement. */
export const CHUNKS_PER_STATEMENT = 8

/** A content in the database, complete or still a draft. */
export interface ContentId {
  readonly tenantId: string
  readonly contentId: string
}

/** A table of chunks, and its column with the id of what they belong to. */
export type ChunkTable = 'session_content_chunks' | 'chat_attachment_chunks'

const OWNER: Readonly<Record<ChunkTable, string>> = {
  session_content_chunks: 'content_id',
  chat_attachment_chunks: 'attachment_id',
}

/** A compressed chunk and its byte offset. */
export interface ChunkRow extends Compressed {
  readonly start: number
  /** Uncompressed size. */
  readonly bytes: number
}

/**
 * Compresses a chunk. A client that sends as fast as it can leaves as much processor time to others: after
 * the compression, this waits for as long as it took. Waits for the database don't count.
 */
export async function packChunk(start: number, bytes: Uint8Array): Promise<ChunkRow> {
  const begun = performance.now()
  const compressed = await compress(bytes)
  await pause(performance.now() - begun)
  return { start, bytes: bytes.byteLength, ...compressed }
}

/** Appends chunks to a content. */
export async function insertChunks(
  client: ClientBase,
  { tenantId, contentId }: ContentId,
  chunks: readonly ChunkRow[],
  table: ChunkTable = 'session_content_chunks',
): Promise<void> {
  // Not prepared: a pooler could reject it, and a content that is read once can't be stored again.
  await client.query({
    text: `
      INSERT INTO ${table} (tenant_id, ${OWNER[table]}, start, bytes, codec, data)
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

/** Streams the decompressed chunks of a content; yields nothing when it doesn't exist. */
export async function* readChunks(
  database: Pool | ClientBase,
  { tenantId, contentId }: ContentId,
  { start = 0, end = Number.MAX_SAFE_INTEGER }: ByteRange = {},
  table: ChunkTable = 'session_content_chunks',
): AsyncGenerator<Uint8Array> {
  // Most ranges are small and need only one chunk, so the first statement reads only one.
  let limit = 1
  for (let position = start; position < end; limit = CHUNKS_PER_STATEMENT) {
    const { rows } = await database.query<{
      start: string
      bytes: number
      codec: Codec
      data: Buffer
    }>({
      name: `session_db_read_${table}`,
      text: `
        SELECT start, bytes, codec, data FROM ${table}
        WHERE tenant_id = $1 AND ${OWNER[table]} = $2 AND start < $4::bigint AND start >= (
          SELECT max(start) FROM ${table}
          WHERE tenant_id = $1 AND ${OWNER[table]} = $2 AND start <= $3::bigint)
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

/**
 * Re-chunks a stream into pieces of one size; the last may be smaller. Pieces are copies, so the source
 * may reuse its buffers.
 *
 * @param size bytes per piece
 */
export async function* chunkBytes(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(size)
  let filled = 0
  for await (const bytes of content) {
    for (let offset = 0; offset < bytes.byteLength; ) {
      const part = bytes.subarray(offset, offset + size - filled)
      piece.set(part, filled)
      filled += part.byteLength
      offset += part.byteLength
      if (filled < size) continue
      yield piece
      piece = new Uint8Array(size)
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

type Codec = 'none' | 'gzip' | 'zstd'

/** Compressed bytes and their codec. */
interface Compressed {
  readonly codec: Codec
  readonly data: Uint8Array
}

type Transform = (data: Uint8Array) => Promise<Uint8Array>

const gzip: Transform = promisify(zlib.gzip)
const gunzip: Transform = promisify(zlib.gunzip)
// Node has zstd since 22.15. Chunks stored with gzip stay readable everywhere.
const zstd: Transform | undefined = zlib.zstdCompress && promisify(zlib.zstdCompress)
const unzstd: Transform | undefined = zlib.zstdDecompress && promisify(zlib.zstdDecompress)

/** Compresses with zstd where Node has it, else gzip. Incompressible data is stored as it is. */
export async function compress(
  data: Uint8Array,
  codec: 'gzip' | 'zstd' = zstd === undefined ? 'gzip' : 'zstd',
): Promise<Compressed> {
  const compressed = await (codec === 'zstd' && zstd !== undefined ? zstd(data) : gzip(data))
  return compressed.byteLength < data.byteLength
    ? { codec, data: compressed }
    : { codec: 'none', data }
}

/**
 * Reverses `compress`.
 *
 * @throws SessionDbError `unavailable` for zstd data on a Node version without zstd.
 */
export async function decompress({ codec, data }: Compressed): Promise<Uint8Array> {
  if (codec === 'none') return data
  if (codec === 'gzip') return gunzip(data)
  if (unzstd !== undefined) return unzstd(data)
  throw new SessionDbError(
    'unavailable',
    'This content is compressed with zstd, which needs Node 22.15 or later. Upgrade Node on this server.',
  )
}
