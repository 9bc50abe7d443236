import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { UploadContext } from './upload-context.ts'

/** Ends the receiving of a content: from here on it is a job, whatever becomes of this process. */
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
 * Has a stored content derived once more.
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
