import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientBase } from 'pg'
import { type JsonObject, MAX_TITLE_LENGTH } from '../../schema/fields.ts'
import { deriveContent } from '../../server/uploads/derivation/derive-session.ts'
import {
  type ContentTarget,
  sha256OfFile,
  storeContent,
  type VerifiedContent,
} from '../content-files.ts'
import { UPLOAD_CONTENTS } from '../export/export-session-uploads.ts'
import type { ImportOwner } from './import-options.ts'
import { BadRecordError, type RecordFields } from './record-fields.ts'
import { sessionTitle } from './records.ts'

/** A line of `session-uploads.ndjson`, and its content on disk. */
interface UploadRecord {
  readonly id: string
  readonly title: string
  readonly originalName: string
  readonly source: 'upload' | 'bundled' | 'external'
  readonly sourcePath: string | null
  readonly repoLabel: string | null
  readonly repo: JsonObject | null
  readonly workspaceRoot: string | null
  readonly storedAt: Date | undefined
  readonly metadata: JsonObject
  readonly content: VerifiedContent
}

const KNOWN = new Set([
  ...['id', 'originalName', 'contentSha256', 'storedAt', 'source', 'sourcePath', 'repoLabel'],
  ...['workspaceRoot'],
])
const WITH_REPO = new Set([...KNOWN, 'repoMeta'])
const SOURCES = ['upload', 'bundled', 'external'] as const

/**
 * Reads one upload and verifies its content.
 *
 * @throws BadRecordError when it has no id, or its content is missing or was changed.
 */
export async function readUpload(fields: RecordFields, directory: string): Promise<UploadRecord> {
  const id = fields.id('id')
  const content = await readContent(fields, directory)
  const originalName = fields.text('originalName') || id
  const repo = fields.object('repoMeta')
  return {
    id,
    title: [...originalName].slice(0, MAX_TITLE_LENGTH).join(''),
    originalName,
    source: fields.oneOf('source', SOURCES) ?? 'upload',
    sourcePath: fields.text('sourcePath') ?? null,
    repoLabel: fields.text('repoLabel') ?? null,
    repo: repo ?? null,
    workspaceRoot: fields.text('workspaceRoot') ?? null,
    storedAt: fields.time('storedAt'),
    metadata: { upload: fields.others(repo === undefined ? KNOWN : WITH_REPO) },
    content,
  }
}

async function readContent(fields: RecordFields, directory: string): Promise<VerifiedContent> {
  if (fields.value('contentSha256') === null) {
    throw new BadRecordError('content: the old process had none')
  }
  const sha256 = fields.text('contentSha256') ?? ''
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new BadRecordError('contentSha256: must be a SHA-256 in hex')
  const name = `${UPLOAD_CONTENTS}/${sha256}`
  const path = join(directory, UPLOAD_CONTENTS, sha256)
  const found = await sha256OfFile(path)
  if (found === undefined) throw new BadRecordError(`its content ${name} is missing`)
  if (found !== sha256) throw new BadRecordError(`its content ${name} was changed`)
  return { sha256, bytes: (await stat(path)).size, read: () => createReadStream(path) }
}

/** The session of an upload: missing (`new`), a stub, or present with this content (`there`). */
export type UploadPlace = 'new' | 'stub' | 'there'

/**
 * Finds and locks the session of an upload.
 *
 * @throws BadRecordError when a session with this id has other content.
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
  throw new BadRecordError('a session with this id and other content exists; left alone')
}

/** Writes an upload with content and timeline in the caller's transaction. */
export async function writeUpload(
  target: ContentTarget,
  owner: ImportOwner,
  upload: UploadRecord,
  place: Exclude<UploadPlace, 'there'>,
): Promise<void> {
  const { client, tenantId } = target
  const { ref } = await storeContent(target, upload.content)
  await (place === 'new' ? insertSession(client, owner, upload) : fillStub(client, owner, upload))
  await client.query(
    `UPDATE sessions SET content_ref = $3, content_sha256 = $4, content_bytes = $5
     WHERE tenant_id = $1 AND id = $2`,
    [tenantId, upload.id, ref, upload.content.sha256, upload.content.bytes],
  )
  const derivedBy = await deriveContent(
    client,
    { tenantId, sessionId: upload.id },
    upload.content.read(),
  )
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

/** Keeps the stub's owner and visibility, and its title if a user has changed it. */
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
