import { randomUUID } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../../writes/errors.ts'
import { inTransaction } from '../../connections.ts'
import {
  CHUNK_BYTES,
  CHUNKS_PER_STATEMENT,
  type ChunkRow,
  type ContentId,
  chunkBytes,
  compress,
  insertChunks,
  readChunks,
} from './chunks.ts'
import {
  type ByteRange,
  type ContentKey,
  type ContentSource,
  type ContentStore,
  parseContentRef,
} from './content-store.ts'

/** All content stores of an app. */
export interface ContentStores {
  /** Receives new contents. */
  readonly current: ContentStore
  readonly postgres: PostgresContentStore
  /**
   * Finds the store and the key of a session's content.
   *
   * @throws SessionDbError `unavailable` when the app is no longer configured with that store.
   */
  locate(tenantId: string, ref: string): { readonly store: ContentStore; readonly key: ContentKey }
}

/**
 * Combines an app's stores. The first receives new contents; the others, and Postgres, stay readable,
 * so that an app can switch stores.
 */
export function createContentStores(
  database: Pool,
  given: ContentStore | readonly ContentStore[] = [],
): ContentStores {
  const postgres = createPostgresContentStore({ database })
  const stores = [given].flat() as ContentStore[]
  const byScheme = new Map<string, ContentStore>([['pg', postgres]])
  for (const store of stores) if (store.scheme !== 'pg') byScheme.set(store.scheme, store)
  return {
    current: byScheme.get(stores[0]?.scheme ?? 'pg') ?? postgres,
    postgres,
    locate(tenantId, ref) {
      const parsed = parseContentRef(ref)
      const store = parsed && byScheme.get(parsed.scheme)
      if (parsed !== undefined && store !== undefined) {
        return { store, key: { tenantId, sha256: parsed.sha256 } }
      }
      const scheme = ref.slice(0, Math.max(0, ref.indexOf(':')))
      throw new SessionDbError(
        'unavailable',
        `The content is in the store '${scheme}', which is not configured. Add that store to \`contents\`.`,
      )
    },
  }
}

/** The default content store, which needs no other service. */
interface PostgresContentStore extends ContentStore {
  readonly scheme: 'pg'
  /**
   * Turns a draft into the content with this hash, without copying bytes. If the tenant already has
   * that content, the draft is deleted. Runs in the caller's transaction.
   */
  adopt(client: ClientBase, draft: ContentId, key: ContentKey): Promise<void>
}

/**
 * Creates the default content store: compressed chunks of 256 KiB in Postgres, so that memory is
 * independent of the content's size and reading a range costs only that range.
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
      await inTransaction(database, (client) => putContent(client, key, content))
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
      // Deleted while it was read: fail, or the reader would take a part for the whole.
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

/** Stores a content in the caller's transaction, unless the tenant already has it. */
export async function putContent(
  client: ClientBase,
  { tenantId, sha256 }: ContentKey,
  content: ContentSource,
): Promise<void> {
  const id = { tenantId, contentId: randomUUID() }
  // Waits for a concurrent put of the same content, which leaves nothing to do here.
  const { rowCount } = await client.query(
    `INSERT INTO session_contents (tenant_id, id, sha256, bytes) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [tenantId, id.contentId, sha256, content.bytes],
  )
  if (rowCount !== 1) return
  let start = 0
  let chunks: ChunkRow[] = []
  for await (const bytes of chunkBytes(content.read(), CHUNK_BYTES)) {
    chunks.push({ start, bytes: bytes.byteLength, ...(await compress(bytes)) })
    start += bytes.byteLength
    if (chunks.length < CHUNKS_PER_STATEMENT) continue
    await insertChunks(client, id, chunks)
    chunks = []
  }
  if (chunks.length > 0) await insertChunks(client, id, chunks)
}

/** Creates the error for a content that doesn't exist. */
export function missingContent(): SessionDbError {
  return new SessionDbError('not_found', 'The content does not exist or has just been deleted.')
}
