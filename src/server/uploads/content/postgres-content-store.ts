import { randomUUID } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../../writes/errors.ts'
import { inTransaction } from '../../in-transaction.ts'
import { chunkBytes } from './chunk-bytes.ts'
import { compress } from './codec.ts'
import {
  CHUNK_BYTES,
  CHUNKS_PER_STATEMENT,
  type ChunkRow,
  type ContentId,
  insertChunks,
  readChunks,
} from './content-rows.ts'
import type { ByteRange, ContentKey, ContentStore } from './content-store.ts'

/** The content store that is there without any other service. */
export interface PostgresContentStore extends ContentStore {
  readonly scheme: 'pg'
  /**
   * Makes a draft the content of this hash, without copying it; if the tenant has that content
   * already, the draft goes. Part of the caller's transaction.
   */
  adopt(client: ClientBase, draft: ContentId, key: ContentKey): Promise<void>
}

/**
 * Creates the default content store: bytes in Postgres, in compressed chunks of 256 KiB, so that
 * memory does not grow with the content and a range costs what it covers.
 *
 * @example
 * const contents = createPostgresContentStore({ database: pool })
 * for await (const bytes of contents.get(key, { start: 0, end: 1_000 })) show(bytes)
 */
export function createPostgresContentStore({ database }: { database: Pool }): PostgresContentStore {
  async function find(key: ContentKey) {
    const { rows } = await database.query<{ id: string; bytes: string }>(FIND, [
      key.tenantId,
      key.sha256,
    ])
    return rows[0]
  }

  return {
    scheme: 'pg',
    async put(key, content) {
      if ((await find(key)) !== undefined) return
      await inTransaction(database, async (client) => {
        const id = { tenantId: key.tenantId, contentId: randomUUID() }
        const values = [key.tenantId, id.contentId, key.sha256, content.bytes]
        // A concurrent put of the same content is waited for here, and then there is nothing to do.
        const { rowCount } = await client.query(INSERT, values)
        if (rowCount === 1) await writeChunks(client, id, content.read())
      })
    },
    async *get(key, range: ByteRange = {}) {
      const content = await find(key)
      if (content === undefined) throw missingContent()
      const end = Math.min(range.end ?? Number.MAX_SAFE_INTEGER, Number(content.bytes))
      const id = { tenantId: key.tenantId, contentId: content.id }
      let missing = end - (range.start ?? 0)
      for await (const bytes of readChunks(database, id, { ...range, end })) {
        missing -= bytes.byteLength
        yield bytes
      }
      // Deleted while it was read: the reader must not take the part for the whole.
      if (missing > 0) throw missingContent()
    },
    async stat(key) {
      const content = await find(key)
      return content === undefined ? undefined : { bytes: Number(content.bytes) }
    },
    async delete({ tenantId, sha256 }) {
      await database.query('DELETE FROM session_contents WHERE tenant_id = $1 AND sha256 = $2', [
        tenantId,
        sha256,
      ])
    },
    async adopt(client, { tenantId, contentId }, { sha256 }) {
      const { rowCount } = await client.query(
        `UPDATE session_contents SET sha256 = $3, draft_of = NULL
         WHERE tenant_id = $1 AND id = $2 AND draft_of IS NOT NULL AND NOT EXISTS (
           SELECT FROM session_contents WHERE tenant_id = $1 AND sha256 = $3)`,
        [tenantId, contentId, sha256],
      )
      if (rowCount === 1) return
      await client.query(
        'DELETE FROM session_contents WHERE tenant_id = $1 AND id = $2 AND draft_of IS NOT NULL',
        [tenantId, contentId],
      )
    },
  }
}

const FIND = 'SELECT id, bytes FROM session_contents WHERE tenant_id = $1 AND sha256 = $2'
const INSERT = `
  INSERT INTO session_contents (tenant_id, id, sha256, bytes) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING`

async function writeChunks(
  client: ClientBase,
  id: ContentId,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  let start = 0
  let chunks: ChunkRow[] = []
  for await (const bytes of chunkBytes(content, CHUNK_BYTES)) {
    chunks.push({ start, bytes: bytes.byteLength, ...(await compress(bytes)) })
    start += bytes.byteLength
    if (chunks.length < CHUNKS_PER_STATEMENT) continue
    await insertChunks(client, id, chunks)
    chunks = []
  }
  if (chunks.length > 0) await insertChunks(client, id, chunks)
}

/** The error for a content that is not there. */
export function missingContent(): SessionDbError {
  return new SessionDbError('not_found', 'There is no such content, or it has just been deleted.')
}
