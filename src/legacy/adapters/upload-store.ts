import { createHash, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SessionDbError } from '../../errors.ts'
import { createPostgresContentStore } from '../../server/uploads/content/postgres-content-store.ts'
import {
  type LegacyStoresOptions,
  type LegacyUploadRecord,
  UPLOAD_COLUMNS,
  VISIBLE,
} from './store-records.ts'

/** The functions of the old store of uploads. */
export function createLegacyUploadStore({ store, database, principal }: LegacyStoresOptions) {
  const { tenantId, userId } = principal

  const uploads = async (where: string, ...values: unknown[]) =>
    (
      await database.query<LegacyUploadRecord>(
        `SELECT ${UPLOAD_COLUMNS} FROM sessions s
         WHERE ${VISIBLE} AND s.content_sha256 IS NOT NULL AND ${where} ORDER BY s.created_at, s.id`,
        [tenantId, userId, ...values],
      )
    ).rows

  async function findUpload(where: string, value: string) {
    return (await uploads(where, value))[0] ?? null
  }

  return {
    /** Stores an upload and derives its timeline. */
    async saveSessionUpload(originalName: string, content: string) {
      const id = randomUUID()
      await store.createSession(principal, { id, title: originalName, originalName })
      await store.uploadContent(principal, id, once(new TextEncoder().encode(content)))
      return findUpload('s.id = $3', id)
    },
    listSessionUploadRecords: () => uploads('true'),
    findSessionUploadRecordById: (id: string) => findUpload('s.id = $3', id),
    findSessionUploadRecordByOriginalName: (name: string) =>
      findUpload('s.original_name = $3', name),
    async getSessionUploadContent(id: string): Promise<string | null> {
      if ((await findUpload('s.id = $3', id)) === null) return null
      const { body } = await store.openContent(principal, id)
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      return Buffer.concat(chunks).toString('utf8')
    },
    /**
     * Reads an upload's source file again. Where it has changed, the new content takes the place of
     * the old one and the timeline is made anew in the background (`store.startWorker`). Chats stay.
     */
    async refreshSessionUploadFromSource(id: string) {
      const found = await findUpload('s.id = $3', id)
      if (found === null) return null
      if (found.sourcePath === null) {
        throw new SessionDbError('invalid', 'This upload has no source file to read again.')
      }
      const content = await readFile(found.sourcePath)
      const sha256 = createHash('sha256').update(content).digest('hex')
      const { rowCount } = await database.query(
        `SELECT FROM sessions WHERE tenant_id = $1 AND id = $2 AND owner_id = $3
           AND content_sha256 <> $4`,
        [tenantId, id, userId, sha256],
      )
      if (rowCount === 0) return found
      await createPostgresContentStore({ database }).put(
        { tenantId, sha256 },
        { bytes: content.length, read: () => once(content) },
      )
      await database.query(
        `UPDATE sessions SET content_ref = 'pg:' || $4::text, content_sha256 = $4, content_bytes = $5
         WHERE tenant_id = $1 AND id = $2 AND owner_id = $3`,
        [tenantId, id, userId, sha256, content.length],
      )
      await store.deriveAgain(principal, id)
      return findUpload('s.id = $3', id)
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
