import { createHash, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { ClientBase } from 'pg'
import type { Principal } from '../../schema/principal.ts'
import { HEAD_BYTES, isPlainText, refusalOf } from '../../timeline/content.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { inTransaction } from '../connections.ts'
import { retryUnprepared } from '../store/errors.ts'
import {
  CHUNK_BYTES,
  CHUNKS_PER_STATEMENT,
  type ChunkRow,
  chunkBytes,
  insertChunks,
  packChunk,
  readChunks,
} from './content/chunks.ts'
import { createRedaction, type RedactionCounts } from './redact.ts'
import type { UploadContext } from './upload-state.ts'
import { mayChange, readUpload, type UploadRow } from './upload-state.ts'

/** The size and kind of a content, before it arrives. */
interface ExpectedContent {
  /** Size of the content, if known. */
  readonly totalBytes: number | null
  /** Replaces the content that the session has. Until then, the session stays as it is. */
  readonly replace?: boolean
  /** The log joins the session that has an earlier state of it. */
  readonly growing?: boolean
}

/**
 * Prepares a session to receive its content. An upload in progress is resumed; a failed one restarts.
 *
 * @throws SessionDbError `conflict` when the session already has its content or another size was
 * announced; `too_large`, `not_found`, `forbidden`.
 */
export async function beginUpload<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  sessionId: string,
  { totalBytes, replace = false, growing = false }: ExpectedContent,
): Promise<UploadRow> {
  if (totalBytes !== null) checkSize(context, totalBytes)
  const upload = await readUpload(context, principal, sessionId, { mayWrite: true })
  const isOther = replace && upload.totalBytes !== totalBytes
  if (upload.step === 'receiving' && !isOther) return goesOn(upload, totalBytes)
  if (
    !replace &&
    (upload.step === 'queued' || upload.step === 'done' || upload.status === 'ready')
  ) {
    throw new SessionDbError(
      'conflict',
      'This session already has its content. Create another session for another file.',
      { details: { status: upload.status } },
    )
  }
  await checkUnderWay(context, principal, sessionId)
  await inPreparedTransaction(context, async (client) => {
    const { tenantId, userId } = principal
    const admitted = context.preparer.prepare(sql`
      UPDATE sessions AS session
      SET status = CASE WHEN ${replace} AND status = 'ready' THEN status ELSE 'pending' END, status_reason = NULL,
        redactions = NULL, progress = jsonb_build_object('phase', 'upload', 'doneBytes', 0,
          'totalBytes', ${totalBytes}::bigint)
      WHERE session.tenant_id = ${tenantId} AND session.id = ${sessionId}
        AND (session.status <> 'ready' OR ${replace})
        AND (${context.policy.see(principal)}) AND (${mayChange(context, principal, sessionId)})`)
    // Locks the session row: of two concurrent calls, the second finds the first one's upload.
    if ((await client.query(admitted)).rowCount !== 1) return
    const { rowCount } = await client.query(
      `INSERT INTO session_uploads AS upload (tenant_id, session_id, total_bytes, growing, uploaded_by)
       VALUES ($1, $2, $3, $4, $6)
       ON CONFLICT (tenant_id, session_id) DO UPDATE
       SET state = 'receiving', total_bytes = $3, growing = $4, uploaded_by = $6, attempts = 0,
         lease = NULL, updated_at = now()
       WHERE upload.state = 'failed' OR $5`,
      [tenantId, sessionId, totalBytes, growing, replace, userId],
    )
    if (rowCount !== 1) return
    await client.query('DELETE FROM session_contents WHERE tenant_id = $1 AND draft_of = $2', [
      tenantId,
      sessionId,
    ])
    await client.query(
      'INSERT INTO session_contents (tenant_id, id, draft_of) VALUES ($1, $2, $3)',
      [tenantId, randomUUID(), sessionId],
    )
  })
  return goesOn(await readUpload(context, principal, sessionId, { mayWrite: true }), totalBytes)
}

function goesOn(upload: UploadRow, totalBytes: number | null): UploadRow {
  if (totalBytes === null || upload.totalBytes === totalBytes) return upload
  throw new SessionDbError(
    'conflict',
    `This upload was started for a file of ${upload.totalBytes ?? 'unknown'} bytes, not ${totalBytes}. ` +
      'Resume with the same file, or abort the upload first.',
    { details: { totalBytes: upload.totalBytes } },
  )
}

/** @throws SessionDbError `rate_limited` when the principal has too many other uploads under way. */
export async function checkUnderWay<P extends Principal>(
  { pool, limits }: Pick<UploadContext<P>, 'pool' | 'limits'>,
  { tenantId, userId }: P,
  sessionId: string,
): Promise<void> {
  const { rows } = await pool.query(
    `SELECT FROM session_uploads
     WHERE tenant_id = $1 AND uploaded_by = $2 AND session_id <> $3
       AND state IN ('receiving', 'queued')
     LIMIT 1 OFFSET $4::bigint - 1`,
    [tenantId, userId, sessionId, limits.maxUnderWay],
  )
  if (rows.length === 0) return
  throw new SessionDbError(
    'rate_limited',
    `You have ${limits.maxUnderWay} uploads under way (maxUnderWay). Wait until some are done, or abort some.`,
    { details: { name: 'maxUnderWay', retryAfterMs: 5_000 } },
  )
}

/** @throws SessionDbError `too_large` when `bytes` exceeds the limit. */
export function checkSize({ limits }: Pick<UploadContext, 'limits'>, bytes: number): void {
  if (bytes <= limits.maxBytes) return
  throw new SessionDbError('too_large', tooLargeReason(limits.maxBytes), {
    details: { limitBytes: limits.maxBytes },
  })
}

/** Explains to a user why a content was refused. */
function tooLargeReason(maxBytes: number): string {
  const mebibytes = maxBytes / 1024 / 1024
  const limit = mebibytes >= 1 ? `${Math.floor(mebibytes)} MiB` : `${maxBytes} bytes`
  return `The file is larger than the ${limit} allowed. Upload a smaller one.`
}

/** The result of receiving a part of a content. */
interface Received {
  readonly receivedBytes: number
  /** SHA-256 in hex; only known when this part was the whole content. */
  readonly sha256: string | undefined
}

/**
 * Appends to a draft, committing every 2 MiB, so an upload can resume after a broken connection.
 *
 * @throws SessionDbError `conflict` when the draft has another length (`details.receivedBytes` is the
 * offset to resume at), `too_large`, `invalid` for more bytes than announced; errors of the stream are
 * rethrown.
 */
export async function receiveContent<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  upload: UploadRow,
  content: AsyncIterable<Uint8Array>,
): Promise<Received> {
  const hash = upload.receivedBytes === 0 ? createHash('sha256') : undefined
  const { bytes: safe, takeCounts } = await redacted(context, principal, upload, content)
  let start = upload.receivedBytes
  let position = start
  let chunks: ChunkRow[] = []

  const flush = async () => {
    if (chunks.length === 0) return
    const pending = chunks
    chunks = []
    await append(
      context,
      principal,
      upload,
      { start, end: position, chunks: pending },
      takeCounts(),
    )
    start = position
  }
  try {
    for await (const bytes of chunkBytes(safe, CHUNK_BYTES)) {
      await checkRoom(context, principal, upload, position + bytes.byteLength)
      if (position === 0) await checkHead(context, principal, upload, bytes)
      hash?.update(bytes)
      chunks.push(await packChunk(position, bytes))
      position += bytes.byteLength
      if (chunks.length >= CHUNKS_PER_STATEMENT) await flush()
    }
  } catch (error) {
    // The connection broke: keep the received bytes so that the upload can resume.
    if (!(error instanceof SessionDbError)) await flush()
    throw error
  }
  if (position === 0) await checkHead(context, principal, upload, new Uint8Array())
  await flush()
  return { receivedBytes: position, sha256: hash?.digest('hex') }
}

/**
 * Masks the secrets of a part of a content. A part that does not end the content keeps its last 16 Ki
 * characters, which may be the start of a secret, and the client sends them again with the next part.
 */
async function redacted<P extends Principal>(
  { pool, redact }: UploadContext<P>,
  { tenantId }: P,
  { receivedBytes, totalBytes, draftId }: UploadRow,
  content: AsyncIterable<Uint8Array>,
): Promise<{ bytes: AsyncIterable<Uint8Array>; takeCounts: () => RedactionCounts }> {
  if (redact === undefined) return { bytes: content, takeCounts: () => ({}) }
  const before: Uint8Array[] = []
  const range = { start: Math.max(0, receivedBytes - CONTEXT_BYTES), end: receivedBytes }
  if (receivedBytes > 0) {
    const chunks = readChunks(pool, { tenantId, contentId: draftId ?? '' }, range)
    for await (const bytes of chunks) before.push(bytes)
  }
  const redaction = createRedaction(redact, Buffer.concat(before))
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let position = receivedBytes
    let released = 0
    for await (const part of content) {
      position += part.byteLength
      const safe = await redaction.write(part)
      released += safe.byteLength
      if (safe.byteLength > 0) yield safe
    }
    const isLast = totalBytes === null || position >= totalBytes
    const rest = await (isLast ? redaction.end() : redaction.pause())
    if (!isLast && released + rest.byteLength === 0 && position > receivedBytes) {
      throw new SessionDbError('invalid', TOO_SHORT)
    }
    yield rest
  }
  return { bytes: bytes(), takeCounts: redaction.takeCounts }
}

/** Bytes before a part that the search for secrets sees again. */
const CONTEXT_BYTES = 1024
const TOO_SHORT =
  'This server masks secrets before it stores a log, which needs parts of at least 64 KiB. Send larger parts.'
const PACKED =
  'This server masks secrets before it stores a log, which needs plain text in UTF-8. Unpack the file and upload the log inside.'

/** Refuses files that can't be a log before they are stored. */
async function checkHead<P extends Principal>(
  context: UploadContext<P>,
  { tenantId }: P,
  { sessionId, totalBytes }: UploadRow,
  head: Uint8Array,
): Promise<void> {
  // Part of a head could be mistaken for something else: then the derivation decides.
  const isWhole = head.length >= HEAD_BYTES || totalBytes === null || totalBytes <= head.length
  const isPacked = context.redact !== undefined && !isPlainText(head)
  const refusal = isPacked ? PACKED : isWhole ? refusalOf(head) : undefined
  if (refusal === undefined) return
  await failUpload(context, tenantId, sessionId, refusal)
  throw new SessionDbError('invalid', refusal)
}

async function checkRoom<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  { sessionId, totalBytes }: UploadRow,
  bytes: number,
): Promise<void> {
  if (totalBytes !== null && bytes > totalBytes) {
    throw new SessionDbError(
      'invalid',
      `The file has more than the announced ${totalBytes} bytes. Upload it again.`,
      { details: { totalBytes } },
    )
  }
  if (bytes <= context.limits.maxBytes) return
  await failUpload(context, principal.tenantId, sessionId, tooLargeReason(context.limits.maxBytes))
  checkSize(context, bytes)
}

async function append<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
  { sessionId, draftId, totalBytes }: UploadRow,
  { start, end, chunks }: { start: number; end: number; chunks: readonly ChunkRow[] },
  counts: RedactionCounts,
): Promise<void> {
  const { tenantId } = principal
  const grown = await inPreparedTransaction(context, async (client) => {
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
    if (Object.keys(counts).length > 0) {
      await client.query(
        `UPDATE sessions SET redactions = session_db_add_counts(redactions, $3)
         WHERE tenant_id = $1 AND id = $2`,
        [tenantId, sessionId, counts],
      )
    }
    return true
  })
  if (grown) return
  const now = await readUpload(context, principal, sessionId, { mayWrite: true })
  throw wrongOffset(now.receivedBytes, start)
}

/** Runs `work`, which can be repeated, in a transaction with prepared statements. */
function inPreparedTransaction<T>(
  { pool }: Pick<UploadContext, 'pool'>,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  return retryUnprepared(() => inTransaction(pool, work))
}

/** Creates the error for bytes that don't start where the draft ends. */
export function wrongOffset(receivedBytes: number, offset: number): SessionDbError {
  return new SessionDbError(
    'conflict',
    `The upload has ${receivedBytes} bytes. Resume at that offset instead of ${offset}.`,
    { details: { receivedBytes } },
  )
}

/**
 * Fails an upload with a reason for the user. It can be restarted; a complete content is kept, so that
 * it can be derived again.
 */
export async function failUpload(
  { pool }: Pick<UploadContext, 'pool'>,
  tenantId: string,
  sessionId: string,
  reason: string,
): Promise<void> {
  await pool.query(
    `WITH session AS MATERIALIZED (
       SELECT tenant_id, id, status FROM sessions WHERE tenant_id = $1 AND id = $2
       FOR NO KEY UPDATE
     ), upload AS MATERIALIZED (
       SELECT u.tenant_id, u.session_id, u.state, session.status = 'ready' AS ready FROM session
       JOIN session_uploads u ON u.tenant_id = session.tenant_id AND u.session_id = session.id
       WHERE u.state IN ('receiving', 'queued')
       FOR UPDATE OF u
     ), given_up AS (
       -- A session that was ready keeps the content and the timeline it had.
       UPDATE session_uploads u SET lease = NULL, updated_at = now(),
         state = CASE WHEN upload.ready AND upload.state = 'receiving' THEN 'done' ELSE 'failed' END
       FROM upload WHERE u.tenant_id = upload.tenant_id AND u.session_id = upload.session_id
     ), draft AS (
       DELETE FROM session_contents c USING upload
       WHERE c.tenant_id = upload.tenant_id AND c.draft_of = upload.session_id
         AND upload.state = 'receiving'
     )
     UPDATE sessions s SET progress = NULL,
       status = CASE WHEN upload.ready THEN s.status ELSE 'failed' END,
       status_reason = CASE WHEN upload.ready THEN s.status_reason ELSE $3 END
     FROM upload WHERE s.tenant_id = upload.tenant_id AND s.id = upload.session_id
       AND (s.status = 'pending' OR s.progress IS NOT NULL)`,
    [tenantId, sessionId, reason],
  )
}

/** Marks a content as complete and queues its derivation, which then survives this process. */
export async function queueReceived(
  { pool }: Pick<UploadContext, 'pool'>,
  { tenantId }: Principal,
  sessionId: string,
  bytes: number,
): Promise<void> {
  await pool.query(
    `WITH upload AS (
       UPDATE session_uploads
       SET state = 'queued', total_bytes = $3, attempts = 0, due_at = now(), updated_at = now()
       WHERE tenant_id = $1 AND session_id = $2 AND state = 'receiving'
       RETURNING session_id
     )
     UPDATE sessions
     SET progress = jsonb_build_object('phase', 'derive', 'doneBytes', 0, 'totalBytes', $3::bigint)
     WHERE tenant_id = $1 AND id IN (SELECT session_id FROM upload)`,
    [tenantId, sessionId, bytes],
  )
}

/**
 * Queues a stored content to be derived again.
 *
 * @throws SessionDbError `conflict` when the session has no content.
 */
export async function queueDerivation(
  { pool }: Pick<UploadContext, 'pool'>,
  { tenantId }: Principal,
  sessionId: string,
): Promise<void> {
  const { rowCount } = await pool.query(
    `WITH session AS (
       UPDATE sessions SET status = CASE status WHEN 'failed' THEN 'pending' ELSE status END,
         status_reason = NULL
       WHERE tenant_id = $1 AND id = $2 AND (content_ref IS NOT NULL OR EXISTS (
         SELECT FROM session_contents draft
         JOIN session_uploads failed
           ON failed.tenant_id = draft.tenant_id AND failed.session_id = draft.draft_of
         WHERE draft.tenant_id = $1 AND draft.draft_of = $2 AND failed.state = 'failed'))
       RETURNING tenant_id, id, content_bytes
     )
     INSERT INTO session_uploads AS upload (tenant_id, session_id, state, total_bytes)
     SELECT tenant_id, id, 'queued', content_bytes FROM session
     ON CONFLICT (tenant_id, session_id) DO UPDATE
     SET state = 'queued', attempts = 0, lease = NULL, due_at = now(), updated_at = now()`,
    [tenantId, sessionId],
  )
  if (rowCount === 1) return
  throw new SessionDbError('conflict', 'This session has no content. Upload it first.')
}
