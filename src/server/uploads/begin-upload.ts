import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { inTransaction } from '../in-transaction.ts'
import type { UploadContext } from './upload-context.ts'
import { mayChange, readUpload, type UploadRow } from './upload-state.ts'

/**
 * Makes a session ready to receive its content. One that is receiving already goes on where it was;
 * one that failed starts over.
 *
 * @param totalBytes size of the content, if it is known.
 * @throws SessionDbError `conflict` when the session has its content, or another size was said
 * before; `too_large`, `not_found`, `forbidden`.
 */
export async function beginUpload<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  sessionId: string,
  totalBytes: number | null,
): Promise<UploadRow> {
  if (totalBytes !== null) checkSize(context, totalBytes)
  const upload = await readUpload(context, principal, sessionId, { mayWrite: true })
  if (upload.step === 'receiving') return goesOn(upload, totalBytes)
  if (upload.step === 'queued' || upload.step === 'done' || upload.status === 'ready') {
    throw new SessionDbError(
      'conflict',
      'This session has its content already. Create another session for another file.',
      { details: { status: upload.status } },
    )
  }
  await inTransaction(context.pool, async (client) => {
    const { tenantId } = principal
    const admitted = context.preparer.prepare(sql`
      UPDATE sessions AS session
      SET status = 'pending', status_reason = NULL,
        progress = jsonb_build_object('phase', 'upload', 'doneBytes', 0,
          'totalBytes', ${totalBytes}::bigint)
      WHERE session.tenant_id = ${tenantId} AND session.id = ${sessionId}
        AND session.status <> 'ready'
        AND (${context.policy.see(principal)}) AND (${mayChange(context, principal, sessionId)})`)
    // Locks the session: of two that begin at once, the second finds what the first made.
    if ((await client.query(admitted)).rowCount !== 1) return
    const { rowCount } = await client.query(
      `INSERT INTO session_uploads AS upload (tenant_id, session_id, total_bytes)
       VALUES ($1, $2, $3)
       ON CONFLICT (tenant_id, session_id) DO UPDATE
       SET state = 'receiving', total_bytes = $3, attempts = 0, lease = NULL, updated_at = now()
       WHERE upload.state = 'failed'`,
      [tenantId, sessionId, totalBytes],
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
    `This upload was begun with ${upload.totalBytes ?? 'no'} bytes, not ${totalBytes}. ` +
      'Go on with the same file, or abort it first.',
    { details: { totalBytes: upload.totalBytes } },
  )
}

/** @throws SessionDbError `too_large`. */
export function checkSize({ limits }: Pick<UploadContext, 'limits'>, bytes: number): void {
  if (bytes <= limits.maxBytes) return
  throw new SessionDbError('too_large', tooLargeReason(limits.maxBytes), {
    details: { limitBytes: limits.maxBytes },
  })
}

/** Why a content was refused, for a person to read. */
export function tooLargeReason(maxBytes: number): string {
  const mebibytes = maxBytes / 1024 / 1024
  const limit = mebibytes >= 1 ? `${Math.floor(mebibytes)} MiB` : `${maxBytes} bytes`
  return `The file is larger than the ${limit} allowed. Upload a smaller one.`
}
