import { sql } from 'kysely'
import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { ByteRange } from './content/content-store.ts'
import type { UploadContext } from './upload-context.ts'

/** A session's content, to be read once. */
export interface SessionContent {
  /** Of the whole content, whatever range is read. */
  readonly totalBytes: number
  readonly sha256: string
  readonly originalName: string | null
  readonly body: AsyncIterable<Uint8Array>
}

/** Opens the content of a session that the principal may see. Nothing is read yet. */
export async function openContent<User extends Principal>(
  context: UploadContext<User>,
  principal: User,
  sessionId: string,
  range: ByteRange,
): Promise<SessionContent> {
  const statement = sql`
    SELECT session.content_ref, session.content_sha256, session.content_bytes, session.original_name
    FROM sessions AS session
    WHERE session.tenant_id = ${principal.tenantId} AND session.id = ${sessionId}
      AND session.content_ref IS NOT NULL AND (${context.policy.see(principal)})`
  const { rows } = await context.pool.query(context.preparer.prepare(statement))
  const row = rows[0] as Record<string, string> | undefined
  if (row?.content_ref === undefined) {
    throw new SessionDbError(
      'not_found',
      'There is no such session, it is not shared with you, or it has no content.',
    )
  }
  const { store, key } = context.contents.locate(principal.tenantId, row.content_ref)
  return {
    totalBytes: Number(row.content_bytes),
    sha256: row.content_sha256 ?? key.sha256,
    originalName: row.original_name ?? null,
    body: store.get(key, range),
  }
}
