import { createHash } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import { inTransaction } from '../../connections.ts'
import { type ContentId, readChunks } from '../content/chunks.ts'
import { type ContentKey, contentRef } from '../content/content-store.ts'
import type { UploadContext } from '../upload-state.ts'
import { type DerivationJob, LeaseLostError } from './jobs.ts'

/** A content with all its bytes, before it is hashed. */
interface Draft extends ContentId {
  readonly bytes: number
}

type SealContext = Pick<UploadContext, 'pool' | 'contents'>

/**
 * Turns a complete draft into the content of its session: hashes it, moves it to the content store and
 * writes the reference. Idempotent, and safe to interrupt anywhere.
 *
 * @param sha256 the draft's hash, if already known
 */
export async function sealContent(
  { pool, contents }: SealContext,
  job: DerivationJob,
  sha256?: string,
): Promise<void> {
  const draft = await findDraft(pool, job)
  if (draft === undefined) return
  const key = { tenantId: job.tenantId, sha256: sha256 ?? (await hashOf(readChunks(pool, draft))) }
  if (await isOlderCopy({ pool, contents }, job, draft, key.sha256)) {
    await pool.query(DELETE_DRAFT, [draft.tenantId, draft.contentId])
    return
  }
  const { current: store, postgres } = contents
  const ref = contentRef(store, key)
  if (store === postgres) {
    await inTransaction(pool, async (client) => {
      await lockContent(client, key.tenantId, ref)
      await postgres.adopt(client, draft, key)
      await refer(client, job, key, ref, draft.bytes)
    })
    return
  }
  const source = { bytes: draft.bytes, read: () => readChunks(pool, draft) }
  for (let stored = false; !stored; ) {
    // Noted first, so that the sweep finds the bytes if this process dies after storing them.
    await noteGarbage(pool, key.tenantId, ref)
    await store.put(key, source)
    stored = await inTransaction(pool, async (client) => {
      await lockContent(client, key.tenantId, ref)
      // Swept in between, because the last other session with this content was deleted: store it again.
      if ((await store.stat(key)) === undefined) return false
      await refer(client, job, key, ref, draft.bytes)
      await client.query(DELETE_DRAFT, [draft.tenantId, draft.contentId])
      await forgetGarbage(client, key.tenantId, ref)
      return true
    })
  }
}

async function findDraft(
  pool: SealContext['pool'],
  { tenantId, sessionId }: DerivationJob,
): Promise<Draft | undefined> {
  const { rows } = await pool.query<{ id: string; bytes: string }>(
    'SELECT id, bytes FROM session_contents WHERE tenant_id = $1 AND draft_of = $2',
    [tenantId, sessionId],
  )
  const row = rows[0]
  return row && { tenantId, contentId: row.id, bytes: Number(row.bytes) }
}

const DELETE_DRAFT =
  'DELETE FROM session_contents WHERE tenant_id = $1 AND id = $2 AND draft_of IS NOT NULL'

/** Returns true for a draft that is the start of the content that the session has: a log of earlier. */
async function isOlderCopy(
  { pool, contents }: SealContext,
  { tenantId, sessionId }: DerivationJob,
  draft: Draft,
  sha256: string,
): Promise<boolean> {
  const { rows } = await pool.query<{ content_ref: string }>(
    `SELECT content_ref FROM sessions
     WHERE tenant_id = $1 AND id = $2 AND content_ref IS NOT NULL AND content_bytes > $3`,
    [tenantId, sessionId, draft.bytes],
  )
  const ref = rows[0]?.content_ref
  if (ref === undefined) return false
  const { store, key } = contents.locate(tenantId, ref)
  return (await hashOf(store.get(key, { start: 0, end: draft.bytes }))) === sha256
}

/** Returns the SHA-256 of a content, in hex. */
export async function hashOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of content) hash.update(bytes)
  return hash.digest('hex')
}

/** Serialises referring to a content with deleting it, until the end of the transaction. */
export async function lockContent(
  client: ClientBase,
  tenantId: string,
  ref: string,
): Promise<void> {
  await client.query('SELECT session_db_content_lock($1, $2)', [tenantId, ref])
}

/** Marks a content as possible garbage: the sweep deletes it unless a session refers to it by then. */
export async function noteGarbage(
  database: Pool | ClientBase,
  tenantId: string,
  ref: string,
): Promise<void> {
  await database.query(
    `INSERT INTO session_content_garbage (tenant_id, content_ref) VALUES ($1, $2)
     ON CONFLICT (tenant_id, content_ref) DO UPDATE SET noted_at = now()`,
    [tenantId, ref],
  )
}

/** Removes the garbage mark, in the transaction that refers to the content or deletes it. */
export async function forgetGarbage(
  client: ClientBase,
  tenantId: string,
  ref: string,
): Promise<void> {
  await client.query(
    'DELETE FROM session_content_garbage WHERE tenant_id = $1 AND content_ref = $2',
    [tenantId, ref],
  )
}

async function refer(
  client: ClientBase,
  { tenantId, sessionId, lease }: DerivationJob,
  { sha256 }: ContentKey,
  ref: string,
  bytes: number,
): Promise<void> {
  const { rowCount } = await client.query(
    `UPDATE sessions SET content_ref = $3, content_sha256 = $4, content_bytes = $5
     WHERE tenant_id = $1 AND id = $2 AND EXISTS (
       SELECT FROM session_uploads
       WHERE tenant_id = $1 AND session_id = $2 AND lease = $6 AND state = 'queued')`,
    [tenantId, sessionId, ref, sha256, bytes, lease],
  )
  if (rowCount !== 1) throw new LeaseLostError()
}
