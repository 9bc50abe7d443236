import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { ClientBase, Pool } from 'pg'
import { withClient } from '../server/connections.ts'
import {
  CHUNK_BYTES,
  chunkBytes,
  compress,
  insertChunks,
} from '../server/uploads/content/chunks.ts'
import { type ContentStore, contentRef } from '../server/uploads/content/content-store.ts'
import {
  forgetGarbage,
  lockContent,
  noteGarbage,
} from '../server/uploads/derivation/seal-content.ts'

/** A content with a verified hash. */
export interface VerifiedContent {
  readonly bytes: number
  readonly sha256: string
  read(): AsyncIterable<Uint8Array>
}

/** Content stores other than Postgres. New contents go to the first. */
export type GivenContents = ContentStore | readonly ContentStore[]

/** Where the contents of an import are stored. */
export interface ContentTarget {
  readonly client: ClientBase
  /** For notes that must survive a rollback of the transaction. */
  readonly database: string | Pool
  readonly tenantId: string
  /** Undefined for Postgres. */
  readonly store: ContentStore | undefined
}

/** SHA-256 of a file in hex; undefined for a missing file. */
export async function sha256OfFile(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Stores a content in the caller's transaction, which also makes a session refer to it. Outside the
 * database the content survives a rollback; then the sweep deletes it.
 *
 * @returns the `content_ref`, and `isNew` if the content was not stored before.
 */
export async function storeContent(
  { client, database, tenantId, store }: ContentTarget,
  content: VerifiedContent,
): Promise<{ readonly ref: string; readonly isNew: boolean }> {
  if (store === undefined) {
    const ref = `pg:${content.sha256}`
    await lockContent(client, tenantId, ref)
    return { ref, isNew: await insertContent(client, tenantId, content) }
  }
  const key = { tenantId, sha256: content.sha256 }
  const ref = contentRef(store, key)
  const isNew = (await store.stat(key)) === undefined
  do {
    // Noted as garbage first, on another connection: the note survives a rollback or a crash.
    await withClient(database, (other) => noteGarbage(other, tenantId, ref))
    await store.put(key, content)
    await lockContent(client, tenantId, ref)
    // The sweep may have deleted the content before the lock was taken: store it again.
  } while ((await store.stat(key)) === undefined)
  await forgetGarbage(client, tenantId, ref)
  return { ref, isNew }
}

async function insertContent(
  client: ClientBase,
  tenantId: string,
  { sha256, bytes, read }: VerifiedContent,
): Promise<boolean> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO session_contents (tenant_id, id, sha256, bytes)
     VALUES ($1, gen_random_uuid()::text, $2, $3) ON CONFLICT DO NOTHING RETURNING id`,
    [tenantId, sha256, bytes],
  )
  const [content] = rows
  if (content === undefined) return false
  let start = 0
  for await (const chunk of chunkBytes(read(), CHUNK_BYTES)) {
    const row = { start, bytes: chunk.byteLength, ...(await compress(chunk)) }
    await insertChunks(client, { tenantId, contentId: content.id }, [row])
    start += chunk.byteLength
  }
  return true
}
