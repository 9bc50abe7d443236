import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/principal.ts'
import type { SessionRow } from '../../schema/session.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { UploadContext } from './upload-context.ts'

/** How far a session's content is. */
export interface UploadState {
  readonly sessionId: string
  /** `pending` until the timeline is there; then `ready`. A `failed` one can be uploaded again. */
  readonly status: SessionRow['status']
  /** Why it failed, for a person to read. */
  readonly statusReason: string | null
  /** Bytes that are stored: where the upload goes on. */
  readonly receivedBytes: number
  /** Null while nobody has said. */
  readonly totalBytes: number | null
  readonly eventCount: number
}

/** The state, and what only the steps of an upload need. */
export interface UploadRow extends UploadState {
  /** What the upload waits for; null before the session has an upload. */
  readonly step: 'receiving' | 'queued' | 'done' | 'failed' | null
  readonly draftId: string | null
}

/**
 * The state of a session's upload, for somebody who may see the session.
 *
 * @param mayWrite whether they must be allowed to change it, too.
 * @throws SessionDbError `not_found`, `forbidden`.
 */
export async function readUpload<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  sessionId: string,
  { mayWrite }: { readonly mayWrite: boolean },
): Promise<UploadRow> {
  const statement = sql`
    SELECT session.id AS "sessionId", session.status, session.status_reason AS "statusReason",
      session.event_count AS "eventCount", upload.state AS step, draft.id AS "draftId",
      coalesce(draft.bytes, session.content_bytes, 0)::float8 AS "receivedBytes",
      coalesce(upload.total_bytes, session.content_bytes)::float8 AS "totalBytes",
      (${mayChange(context, principal, sessionId)}) IS TRUE AS permitted
    FROM sessions AS session
    LEFT JOIN session_uploads AS upload
      ON upload.tenant_id = session.tenant_id AND upload.session_id = session.id
    LEFT JOIN session_contents AS draft
      ON draft.tenant_id = session.tenant_id AND draft.draft_of = session.id
    WHERE session.tenant_id = ${principal.tenantId} AND session.id = ${sessionId}
      AND (${context.policy.see(principal)})`
  const { rows } = await context.pool.query(context.preparer.prepare(statement))
  const row = rows[0] as (UploadRow & { permitted: boolean }) | undefined
  if (row === undefined) {
    throw new SessionDbError('not_found', 'There is no such session, or it is not shared with you.')
  }
  const { permitted, ...upload } = row
  if (permitted || !mayWrite) return upload
  throw new SessionDbError(
    'forbidden',
    'You can see this session, but you are not allowed to give it a content.',
  )
}

/** The condition that decides who may give a session its content: whoever may change the session. */
export function mayChange<User extends Principal>(
  { policy }: UploadContext<User>,
  principal: User,
  id: string,
): RawBuilder<boolean> {
  return policy.sessions.update(principal, {
    collection: 'sessions',
    type: 'update',
    id,
    changes: {},
  })
}

/** What a caller is told of an upload. */
export function toState({ step: _step, draftId: _draftId, ...state }: UploadRow): UploadState {
  return state
}
