import { type RawBuilder, sql } from 'kysely'
import type { Pool } from 'pg'
import type { Principal } from '../../schema/principal.ts'
import type { SessionRow } from '../../schema/session.ts'
import type { TimelineParser } from '../../timeline/parser.ts'
import type { FindSecrets } from '../../timeline/secrets.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { checkPrincipal } from '../http/authenticate.ts'
import type { RequestLimiters } from '../http/request-limits.ts'
import { fromDatabaseError, isDatabaseError } from '../store/errors.ts'
import type { SessionPolicy } from '../store/policy.ts'
import type { Preparer } from '../store/prepared-statements.ts'
import type { ContentStores } from './content/postgres-content-store.ts'

/** Limits of uploads. */
export interface UploadLimits {
  /** Largest content, in bytes. Default: 512 MiB. */
  readonly maxBytes: number
  /** Contents up to this many bytes are derived before the upload is answered. Default: 4 MiB. */
  readonly deriveAtOnceBytes: number
  /** Largest attachment of a message, in bytes. Default: 20 MiB. */
  readonly maxAttachmentBytes: number
  /**
   * Most uploads of a user that are received or wait for their timeline, and of attachments that no
   * message refers to. Default: 50.
   */
  readonly maxUnderWay: number
}

export const defaultUploadLimits: UploadLimits = {
  maxBytes: 512 * 1024 * 1024,
  deriveAtOnceBytes: 4 * 1024 * 1024,
  maxAttachmentBytes: 20 * 1024 * 1024,
  maxUnderWay: 50,
}

/** Dependencies of every step of an upload. */
export interface UploadContext<P extends Principal = Principal> {
  readonly pool: Pool
  readonly policy: SessionPolicy<P>
  readonly preparer: Preparer
  readonly contents: ContentStores
  readonly limiters: RequestLimiters
  readonly limits: UploadLimits
  /** The parsers that derive timelines, the app's own first. */
  readonly parsers: readonly TimelineParser[]
  /** Finds what is masked before it is stored. */
  readonly redact?: FindSecrets | undefined
  /** Called with errors whose cause the user is not shown. */
  readonly onError: (error: unknown) => void
}

/** State of a session's upload. */
export interface UploadState {
  readonly sessionId: string
  /** `pending` until the timeline is derived, then `ready`. A `failed` one can be uploaded again. */
  readonly status: SessionRow['status']
  /** Why it failed, for the user. */
  readonly statusReason: string | null
  /** Bytes stored so far: the offset to resume at. */
  readonly receivedBytes: number
  /** Null while unknown. */
  readonly totalBytes: number | null
  readonly eventCount: number
}

/** The public state plus internal columns. */
export interface UploadRow extends UploadState {
  /** Step of the upload; null before the session has one. */
  readonly step: 'receiving' | 'queued' | 'done' | 'failed' | null
  readonly draftId: string | null
}

/**
 * Reads the state of a session's upload.
 *
 * @param mayWrite also requires permission to change the session
 * @throws SessionDbError `not_found` when the principal may not see the session, `forbidden` when they
 * may not change it.
 */
export async function readUpload<P extends Principal>(
  context: UploadContext<P>,
  principal: P,
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
    throw new SessionDbError('not_found', 'The session does not exist or is not shared with you.')
  }
  const { permitted, ...upload } = row
  if (permitted || !mayWrite) return upload
  throw new SessionDbError(
    'forbidden',
    'You can view this session but not change it. Ask its owner to upload the file.',
  )
}

/** Returns the condition for uploading a session's content: permission to change the session. */
export function mayChange<P extends Principal>(
  { policy }: UploadContext<P>,
  principal: P,
  id: string,
): RawBuilder<boolean> {
  return policy.permits(principal, { collection: 'sessions', type: 'update', id, changes: {} })
}

/** Strips the internal columns. */
export function toState({ step: _step, draftId: _draftId, ...state }: UploadRow): UploadState {
  return state
}

/** Checks the principal and converts database errors. */
export async function guard<Result>(
  principal: Principal,
  work: () => Promise<Result>,
): Promise<Result> {
  checkPrincipal(principal)
  try {
    return await work()
  } catch (error) {
    throw isDatabaseError(error) ? fromDatabaseError(error) : error
  }
}

/** Reads each chunk when it is the principal's turn, so that slow downloads don't block other reads. */
export async function* inTurn<P extends Principal>(
  { limiters }: Pick<UploadContext<P>, 'limiters'>,
  principal: P,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    for (;;) {
      const leave = await limiters.contents.enter(principal)
      const { done, value } = await iterator.next().finally(leave)
      if (done) return
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}
