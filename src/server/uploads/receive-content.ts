import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { inTransaction } from '../in-transaction.ts'
import { checkSize, tooLargeReason } from './begin-upload.ts'
import { chunkBytes } from './content/chunk-bytes.ts'
import { compress } from './content/codec.ts'
import {
  CHUNK_BYTES,
  CHUNKS_PER_STATEMENT,
  type ChunkRow,
  insertChunks,
} from './content/content-rows.ts'
import type { UploadContext } from './upload-context.ts'
import { mayChange, readUpload, type UploadRow } from './upload-state.ts'

/** What has become of a part of a content. */
export interface Received {
  readonly receivedBytes: number
  /** SHA-256 in hex, when all the bytes came in this part and were hashed on their way. */
  readonly sha256: string | undefined
}

/**
 * Appends to a draft. Every 2 MiB are a transaction of their own, so what was answered or was
 * written before a connection broke is there to go on from.
 *
 * @throws SessionDbError `conflict` when the draft has another length than the upload says
 * (`details.receivedBytes` is where to go on), `too_large`, `invalid` for more bytes than were
 * announced, and whatever the stream fails with.
 */
export async function receiveContent<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  upload: UploadRow,
  content: AsyncIterable<Uint8Array>,
): Promise<Received> {
  const hash = upload.receivedBytes === 0 ? createHash('sha256') : undefined
  let start = upload.receivedBytes
  let position = start
  let chunks: ChunkRow[] = []

  const flush = async () => {
    if (chunks.length === 0) return
    const pending = chunks
    chunks = []
    await append(context, principal, upload, start, position, pending)
    start = position
  }
  try {
    for await (const bytes of chunkBytes(content, CHUNK_BYTES)) {
      await checkRoom(context, principal, upload, position + bytes.byteLength)
      hash?.update(bytes)
      chunks.push({
        start: position,
        bytes: bytes.byteLength,
        ...(await compress(bytes)),
      })
      position += bytes.byteLength
      if (chunks.length >= CHUNKS_PER_STATEMENT) await flush()
    }
  } catch (error) {
    // A broken connection: what came is kept, for the upload to go on after it.
    if (!(error instanceof SessionDbError)) await flush()
    throw error
  }
  await flush()
  return { receivedBytes: position, sha256: hash?.digest('hex') }
}

async function checkRoom<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  { sessionId, totalBytes }: UploadRow,
  bytes: number,
): Promise<void> {
  if (totalBytes !== null && bytes > totalBytes) {
    throw new SessionDbError(
      'invalid',
      `More bytes came than the ${totalBytes} that were announced. Upload the file again.`,
      { details: { totalBytes } },
    )
  }
  if (bytes <= context.limits.maxBytes) return
  await failUpload(context, principal.tenantId, sessionId, tooLargeReason(context.limits.maxBytes))
  checkSize(context, bytes)
}

async function append<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  { sessionId, draftId, totalBytes }: UploadRow,
  start: number,
  end: number,
  chunks: readonly ChunkRow[],
): Promise<void> {
  const { tenantId } = principal
  const grown = await inTransaction(context.pool, async (client) => {
    const grow = context.preparer.prepare(sql`
      UPDATE session_contents AS draft SET bytes = ${end}
      FROM sessions AS session
      WHERE draft.tenant_id = ${tenantId} AND draft.id = ${draftId}
        AND draft.draft_of = ${sessionId} AND draft.bytes = ${start}
        AND session.tenant_id = ${tenantId} AND session.id = ${sessionId}
        AND (${context.policy.see(principal)}) AND (${mayChange(context, principal, sessionId)})`)
    if ((await client.query(grow)).rowCount !== 1) return false
    await insertChunks(client, { tenantId, contentId: draftId ?? '' }, chunks)
    await client.query({
      name: 'session_db_upload_progress',
      text: `
        WITH upload AS (
          UPDATE session_uploads SET updated_at = now() WHERE tenant_id = $1 AND session_id = $2)
        UPDATE sessions SET progress = jsonb_build_object('phase', 'upload', 'doneBytes', $3::bigint,
          'totalBytes', $4::bigint)
        WHERE tenant_id = $1 AND id = $2 AND updated_at < now() - interval '1 second'`,
      values: [tenantId, sessionId, end, totalBytes],
    })
    return true
  })
  if (grown) return
  const now = await readUpload(context, principal, sessionId, { mayWrite: true })
  throw wrongOffset(now.receivedBytes, start)
}

/** The error for bytes that do not start where the draft ends. */
export function wrongOffset(receivedBytes: number, offset: number): SessionDbError {
  return new SessionDbError(
    'conflict',
    `The upload has ${receivedBytes} bytes, so it goes on there and not at ${offset}.`,
    { details: { receivedBytes } },
  )
}

/**
 * Gives an upload up, with a reason for a person to read. It can be begun anew; a content that had
 * come as a whole is kept, to be derived once more.
 */
export async function failUpload(
  { pool }: Pick<UploadContext, 'pool'>,
  tenantId: string,
  sessionId: string,
  reason: string,
): Promise<void> {
  await pool.query(
    `WITH session AS MATERIALIZED (
       SELECT tenant_id, id FROM sessions WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE
     ), upload AS MATERIALIZED (
       SELECT u.tenant_id, u.session_id, u.state FROM session
       JOIN session_uploads u ON u.tenant_id = session.tenant_id AND u.session_id = session.id
       WHERE u.state IN ('receiving', 'queued')
       FOR UPDATE OF u
     ), given_up AS (
       UPDATE session_uploads u SET state = 'failed', lease = NULL, updated_at = now() FROM upload
       WHERE u.tenant_id = upload.tenant_id AND u.session_id = upload.session_id
     ), draft AS (
       DELETE FROM session_contents c USING upload
       WHERE c.tenant_id = upload.tenant_id AND c.draft_of = upload.session_id
         AND upload.state = 'receiving'
     )
     UPDATE sessions s SET status = 'failed', status_reason = $3, progress = NULL FROM upload
     WHERE s.tenant_id = upload.tenant_id AND s.id = upload.session_id AND s.status = 'pending'`,
    [tenantId, sessionId, reason],
  )
}
