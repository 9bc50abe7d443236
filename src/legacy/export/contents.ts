import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { chunkBytes } from '../../server/content/chunk-bytes.ts'
import { compress } from '../../server/content/codec.ts'
import { CHUNK_BYTES, insertChunks, readChunks } from '../../server/content/content-rows.ts'

/** Where the bytes of sessions are in an export, each under its SHA-256. */
const CONTENTS_DIRECTORY = 'contents'

/** A content of an export. */
export interface ExportedContent {
  readonly sha256: string
  readonly bytes: number
}

/**
 * Writes the contents that sessions refer to and that are in Postgres, one file each.
 *
 * @param userId only those of this user's sessions.
 */
export async function exportContents(
  client: ClientBase,
  directory: string,
  tenantId: string,
  userId: string | undefined,
): Promise<ExportedContent[]> {
  const { rows } = await client.query<{ id: string; sha256: string; bytes: string }>(
    `SELECT c.id, c.sha256, c.bytes FROM session_contents c
     WHERE c.tenant_id = $1 AND EXISTS (
       SELECT FROM sessions s WHERE s.tenant_id = $1 AND s.content_ref = 'pg:' || c.sha256
         AND ($2::text IS NULL OR s.owner_id = $2))
     ORDER BY c.sha256 COLLATE "C"`,
    [tenantId, userId ?? null],
  )
  if (rows.length > 0) await mkdir(join(directory, CONTENTS_DIRECTORY))
  for (const { id, sha256 } of rows) {
    const bytes = Readable.from(readChunks(client, { tenantId, contentId: id }))
    await pipeline(
      bytes,
      createWriteStream(join(directory, CONTENTS_DIRECTORY, sha256), { flush: true }),
    )
  }
  return rows.map(({ sha256, bytes }) => ({ sha256, bytes: Number(bytes) }))
}

/**
 * Stores the contents of an export that are not there yet, as part of the caller's transaction.
 *
 * @returns how many were stored.
 * @throws SessionDbError `invalid` for one that is missing or has other bytes than its name says.
 */
export async function importContents(
  client: ClientBase,
  directory: string,
  tenantId: string,
  contents: readonly ExportedContent[],
): Promise<number> {
  let stored = 0
  for (const { sha256, bytes } of contents) {
    const path = join(directory, CONTENTS_DIRECTORY, sha256)
    if ((await stat(path).catch(() => undefined))?.size !== bytes) throw changed(path)
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO session_contents (tenant_id, id, sha256, bytes)
       VALUES ($1, gen_random_uuid()::text, $2, $3) ON CONFLICT DO NOTHING RETURNING id`,
      [tenantId, sha256, bytes],
    )
    const [content] = rows
    if (content === undefined) continue
    stored += 1
    const hash = createHash('sha256')
    let start = 0
    for await (const chunk of chunkBytes(createReadStream(path), CHUNK_BYTES)) {
      hash.update(chunk)
      const row = { start, bytes: chunk.byteLength, ...(await compress(chunk)) }
      await insertChunks(client, { tenantId, contentId: content.id }, [row])
      start += chunk.byteLength
    }
    if (hash.digest('hex') !== sha256) throw changed(path)
  }
  return stored
}

function changed(path: string): SessionDbError {
  return new SessionDbError(
    'invalid',
    `${path} is missing or was changed since it was exported. Nothing was imported.`,
  )
}
