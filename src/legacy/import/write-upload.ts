import { createReadStream } from 'node:fs'
import type { ClientBase } from 'pg'
import { deriveContent } from '../../server/uploads/derivation/derive-session.ts'
import { type ContentTarget, storeContentFile } from '../content-files.ts'
import type { ImportOwner } from './import-owner.ts'
import { BadRecordError } from './record-fields.ts'
import { sessionTitle } from './session-title.ts'
import type { UploadRecord } from './upload-record.ts'

/** What an upload is to the database: not there, a stub of it, or there with this content. */
export type UploadPlace = 'new' | 'stub' | 'there'

/**
 * Looks where an upload goes, and locks what is there.
 *
 * @throws BadRecordError when a session has its id that is no stub and has not this content.
 */
export async function findUploadPlace(
  client: ClientBase,
  tenantId: string,
  { id, content }: UploadRecord,
): Promise<UploadPlace> {
  const { rows } = await client.query<{ sha256: string | null; stub: boolean }>(
    `SELECT content_sha256 AS sha256, content_ref IS NULL AND coalesce(metadata -> 'stub' = 'true', false)
       AND NOT EXISTS (SELECT FROM session_uploads u WHERE u.tenant_id = s.tenant_id AND u.session_id = s.id)
       AS stub
     FROM sessions s WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`,
    [tenantId, id],
  )
  const [session] = rows
  if (session === undefined) return 'new'
  if (session.sha256 === content.sha256) return 'there'
  if (session.stub) return 'stub'
  throw new BadRecordError('a session with this id and other content is there, left alone')
}

/** Writes an upload with content and timeline, as part of the caller's transaction. */
export async function writeUpload(
  target: ContentTarget,
  owner: ImportOwner,
  upload: UploadRecord,
  place: Exclude<UploadPlace, 'there'>,
): Promise<void> {
  const { client, tenantId } = target
  const { ref } = await storeContentFile(target, upload.content)
  await (place === 'new' ? insertSession(client, owner, upload) : fillStub(client, owner, upload))
  await client.query(
    `UPDATE sessions SET content_ref = $3, content_sha256 = $4, content_bytes = $5
     WHERE tenant_id = $1 AND id = $2`,
    [tenantId, upload.id, ref, upload.content.sha256, upload.content.bytes],
  )
  const content = createReadStream(upload.content.path)
  const derivedBy = await deriveContent(client, { tenantId, sessionId: upload.id }, content)
  await client.query(
    `INSERT INTO session_uploads (tenant_id, session_id, state, total_bytes, derived_by)
     VALUES ($1, $2, 'done', $3, $4)`,
    [tenantId, upload.id, upload.content.bytes, derivedBy],
  )
}

function fieldsOf(upload: UploadRecord): readonly unknown[] {
  const { id, title, source, originalName, sourcePath, repoLabel, repo, workspaceRoot } = upload
  return [
    ...[id, title, source, originalName, sourcePath, repoLabel, repo, workspaceRoot],
    ...[upload.metadata, upload.storedAt ?? null],
  ]
}

async function insertSession(
  client: ClientBase,
  { tenantId, userId, visibility }: ImportOwner,
  upload: UploadRecord,
): Promise<void> {
  await client.query(
    `INSERT INTO sessions (tenant_id, id, title, source, original_name, source_path, repo_label,
       repo, workspace_root, metadata, created_at, owner_id, visibility)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, now()), $12, $13)`,
    [tenantId, ...fieldsOf(upload), userId, visibility],
  )
}

/** The stub stays whose it is and as visible as it is; a title that somebody gave it stays, too. */
async function fillStub(
  client: ClientBase,
  { tenantId }: ImportOwner,
  upload: UploadRecord,
): Promise<void> {
  await client.query(
    `UPDATE sessions SET title = CASE WHEN title = $12 THEN $3 ELSE title END, source = $4,
       original_name = $5, source_path = $6, repo_label = $7, repo = $8, workspace_root = $9,
       metadata = metadata - 'stub' || $10, created_at = coalesce($11, created_at)
     WHERE tenant_id = $1 AND id = $2`,
    [tenantId, ...fieldsOf(upload), sessionTitle(upload.id)],
  )
}
