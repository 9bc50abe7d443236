import { createHash, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { MAX_TITLE_LENGTH } from '../../schema/fields.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import type { ContentStore } from '../../server/uploads/content/content-store.ts'
import { deriveContent } from '../../server/uploads/derivation/derive-session.ts'
import { storeContent } from '../content-files.ts'
import { createSourceFiles } from './source-files.ts'
import {
  isoTime,
  type LegacyContext,
  type LegacyUploadRecord,
  type RecordsOf,
  VISIBLE,
  withoutNulls,
} from './store-records.ts'
import { deleteRows, orConflict } from './thread-store.ts'

/** The input of `ensureSessionUploadForFile`. */
export interface LegacySourceFileInput {
  /** Becomes the upload's original name. */
  readonly relativePath: string
  /** Must be in one of `sourceDirectories`. */
  readonly absolutePath: string
  readonly source: 'upload' | 'bundled' | 'external'
  readonly repoLabel?: string | undefined
  readonly repoMeta?: object | undefined
  /** The time of the session in its log; the file's time of change by default. */
  readonly sessionTimestampMs?: number | undefined
  readonly origin?: string | undefined
}

/**
 * Fields without a column are in `metadata.upload`, where the import puts them. Their owner can write
 * anything there, so the values are checked in `toRecord`, not cast in SQL.
 */
const UPLOADS = `
  SELECT s.id, coalesce(s.original_name, s.title) AS "originalName",
    ${isoTime('s.created_at')} AS "createdAt", s.metadata -> 'upload' AS upload, s.format,
    s.content_bytes::float8 AS size, s.source, s.source_path AS "sourcePath",
    s.repo_label AS "repoLabel", s.repo AS "repoMeta", s.workspace_root AS "workspaceRoot",
    s.owner_id = $2 AS "isOwn"
  FROM sessions s
  WHERE ${VISIBLE} AND s.content_sha256 IS NOT NULL`

const UPLOAD_METADATA = `CASE WHEN jsonb_typeof(metadata -> 'upload') = 'object'
  THEN metadata -> 'upload' ELSE '{}' END`

interface UploadRow
  extends Omit<
    LegacyUploadRecord,
    'storedAt' | 'url' | 'lastModifiedMs' | 'lastModifiedIso' | 'origin'
  > {
  readonly createdAt: string
  readonly upload: unknown
  readonly format: string
  readonly isOwn: boolean
}

/** The old store of uploads. */
export function createUploadStore<R>(context: LegacyContext) {
  type Upload = RecordsOf<R>['upload']
  const { store, database, principal, write } = context
  const { tenantId, userId } = principal
  const sources = createSourceFiles(context.sourceDirectories)
  const urlOf = context.uploadUrl ?? ((id) => `/api/uploads/${encodeURIComponent(id)}`)

  async function select(where: string, ...values: unknown[]): Promise<UploadRow[]> {
    const { rows } = await database.query<UploadRow>(
      `${UPLOADS} AND ${where} ORDER BY s.owner_id = $2 DESC, s.created_at, s.id`,
      [tenantId, userId, ...values],
    )
    return rows
  }

  const toRecord = ({ createdAt, upload, format, isOwn: _, ...row }: UploadRow): Upload => {
    const fields = uploadFields(upload)
    const storedAt = fields.storedAt ?? createdAt
    const lastModifiedMs = fields.lastModifiedMs ?? Date.parse(storedAt)
    return withoutNulls({
      ...row,
      ...{ storedAt, url: urlOf(row.id), lastModifiedMs },
      lastModifiedIso: new Date(lastModifiedMs).toISOString(),
      origin: fields.origin ?? (format === 'other' ? null : format),
    }) as Upload
  }

  async function find(where: string, ...values: unknown[]): Promise<Upload | null> {
    const [row] = await select(where, ...values)
    return row === undefined ? null : toRecord(row)
  }

  async function requireUpload(id: string): Promise<Upload> {
    const found = await find('s.id = $3', id)
    if (found === null) throw new SessionDbError('not_found', `There is no upload ${id}.`)
    return found
  }

  async function readContent(id: string): Promise<string | null> {
    if ((await select('s.id = $3', id)).length === 0) return null
    const { body } = await store.openContent(principal, id)
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks).toString('utf8')
  }

  /**
   * Replaces the content of a session of the user and derives its timeline, in one transaction. Chats
   * stay. A content that is equal is left alone.
   *
   * @param columns SQL assignments of other columns, with parameters from $3
   */
  async function replace(
    id: string,
    content: Buffer,
    columns: readonly string[],
    ...values: unknown[]
  ): Promise<void> {
    const sha256 = createHash('sha256').update(content).digest('hex')
    const contents = [context.contents ?? []].flat() as ContentStore[]
    const target = { database, tenantId, store: contents[0] }
    await inCopyTransaction(database, async (client) => {
      const { rows } = await client.query<{ sha256: string | null }>(
        `SELECT content_sha256 AS sha256 FROM sessions
         WHERE tenant_id = $1 AND id = $2 AND owner_id = $3 FOR NO KEY UPDATE`,
        [tenantId, id, userId],
      )
      const [session] = rows
      if (session === undefined) {
        throw new SessionDbError(
          'forbidden',
          'Only the owner of an upload can replace its content.',
        )
      }
      if (columns.length > 0) {
        const set = columns.join(', ')
        await client.query(`UPDATE sessions SET ${set} WHERE tenant_id = $1 AND id = $2`, [
          tenantId,
          id,
          ...values,
        ])
      }
      if (session.sha256 === sha256) return
      const source = { sha256, bytes: content.length, read: () => once(content) }
      const { ref } = await storeContent({ ...target, client }, source)
      await client.query(
        `UPDATE sessions SET content_ref = $3, content_sha256 = $4, content_bytes = $5,
           metadata = jsonb_set(metadata, '{upload}', ${UPLOAD_METADATA} || $6)
         WHERE tenant_id = $1 AND id = $2`,
        [tenantId, id, ref, sha256, content.length, { storedAt: new Date().toISOString() }],
      )
      const derivedBy = await deriveContent(client, { tenantId, sessionId: id }, once(content))
      await client.query(
        `INSERT INTO session_uploads (tenant_id, session_id, state, total_bytes, derived_by)
         VALUES ($1, $2, 'done', $3, $4)
         ON CONFLICT (tenant_id, session_id) DO UPDATE
         SET state = 'done', total_bytes = $3, derived_by = $4, lease = NULL, updated_at = now()`,
        [tenantId, id, content.length, derivedBy],
      )
    })
  }

  /** Creates the session of a source file, or finds the one that another request has created. */
  async function createForSource(input: LegacySourceFileInput, path: string): Promise<string> {
    const { relativePath: originalName, source } = input
    const create = async (id: string) => {
      const value = { id, title: titleOf(originalName), source, originalName }
      await orConflict(() => write({ collection: 'sessions', type: 'insert', value }))
      return id
    }
    const id = await create(sourceId(userId, source, path))
    const { rowCount } = await database.query(
      'SELECT FROM sessions WHERE tenant_id = $1 AND id = $2 AND owner_id = $3',
      [tenantId, id, userId],
    )
    // Another user has taken the id.
    return rowCount === 0 ? create(`upload_${randomUUID()}`) : id
  }

  /**
   * Returns the upload of a file of the server: one per source file, with the file's present content.
   * Concurrent calls create one record, because its id follows from user, source and path.
   */
  async function ensureSessionUploadForFile(input: LegacySourceFileInput): Promise<Upload> {
    const path = resolve(input.absolutePath)
    const bySource = 's.source_path = $3 AND s.source = $4'
    const [existing] = await select(bySource, path, input.source)
    if (existing !== undefined && !existing.isOwn) return toRecord(existing)
    const { sourceUpdatedAt } = uploadFields(existing?.upload)
    if (existing !== undefined && sourceUpdatedAt === (await sources.modifiedMs(path))) {
      if (!addsTo(existing, input)) return toRecord(existing)
    }
    const { content, modifiedMs } = await sources.read(path)
    const id = existing?.id ?? (await createForSource(input, path))
    const upload = {
      lastModifiedMs: Math.round(input.sessionTimestampMs ?? modifiedMs),
      sourceUpdatedAt: modifiedMs,
      ...(input.origin !== undefined && { origin: input.origin }),
    }
    await replace(
      id,
      content,
      [
        'source_path = $3',
        'original_name = $4',
        'repo_label = coalesce($5, repo_label)',
        'repo = coalesce($6, repo)',
        `metadata = jsonb_set(metadata, '{upload}', ${UPLOAD_METADATA} || $7)`,
      ],
      ...[path, input.relativePath, input.repoLabel ?? null, input.repoMeta ?? null, upload],
    )
    return requireUpload(id)
  }

  return {
    /** Stores an upload and derives its timeline. */
    async saveSessionUpload(originalName: string, content: string): Promise<Upload> {
      const id = randomUUID()
      await store.createSession(principal, { id, title: titleOf(originalName), originalName })
      await store.uploadContent(principal, id, once(new TextEncoder().encode(content)))
      return requireUpload(id)
    },
    ensureSessionUploadForFile,
    listSessionUploadRecords: async (): Promise<Upload[]> => (await select('true')).map(toRecord),
    findSessionUploadRecordById: (id: string) => find('s.id = $3', id),
    getSessionUploadSummaryById: (id: string) => find('s.id = $3', id),
    findSessionUploadRecordByOriginalName: (name: string) => find('s.original_name = $3', name),
    findSessionUploadRecordBySourcePath: (path: string, source?: string) =>
      find(
        's.source_path = $3 AND ($4::text IS NULL OR s.source = $4)',
        resolve(path),
        source ?? null,
      ),
    getSessionUploadContent: readContent,
    async getSessionUploadContentByOriginalName(name: string): Promise<string | null> {
      const [row] = await select('s.original_name = $3', name)
      return row === undefined ? null : readContent(row.id)
    },
    /** Replaces an upload's content and derives its timeline again. Chats stay. */
    async replaceSessionUploadContent(id: string, content: string): Promise<Upload | null> {
      if ((await select('s.id = $3', id)).length === 0) return null
      await replace(id, Buffer.from(content), [])
      return requireUpload(id)
    },
    /** Reads an upload's source file again, and replaces its content if the file has changed. */
    async refreshSessionUploadFromSource(id: string): Promise<Upload | null> {
      const [row] = await select('s.id = $3', id)
      if (row === undefined) return null
      if (row.sourcePath == null) {
        throw new SessionDbError('invalid', 'This upload has no source file to read again.')
      }
      const { content, modifiedMs } = await sources.read(row.sourcePath)
      const upload = { lastModifiedMs: Math.round(modifiedMs), sourceUpdatedAt: modifiedMs }
      await replace(
        id,
        content,
        [`metadata = jsonb_set(metadata, '{upload}', ${UPLOAD_METADATA} || $3)`],
        upload,
      )
      return requireUpload(id)
    },
    /** Deletes the user's uploads. A session with chats stays, as a stub without content. */
    async clearSessionUploadRecords(): Promise<void> {
      const rows = (await select('s.owner_id = $2')).map(({ id }) => id)
      const { rows: withChats } = await database.query<{ id: string }>(
        `WITH kept AS (
           UPDATE sessions s SET content_ref = NULL, content_sha256 = NULL, content_bytes = NULL,
             source_path = NULL, event_count = 0, metadata = s.metadata - 'upload' || '{"stub": true}'
           WHERE s.tenant_id = $1 AND s.owner_id = $2 AND s.id = ANY ($3) AND EXISTS (
             SELECT FROM chat_threads t WHERE t.tenant_id = s.tenant_id AND t.session_id = s.id)
           RETURNING s.tenant_id, s.id
         ), events AS (
           DELETE FROM timeline_events e USING kept
           WHERE e.tenant_id = kept.tenant_id AND e.session_id = kept.id
         ), uploads AS (
           DELETE FROM session_uploads u USING kept
           WHERE u.tenant_id = kept.tenant_id AND u.session_id = kept.id
         )
         SELECT id FROM kept`,
        [tenantId, userId, rows],
      )
      const kept = new Set(withChats.map(({ id }) => id))
      await deleteRows(
        context,
        'sessions',
        rows.filter((id) => !kept.has(id)),
      )
    },
  }
}

/** True if the input has metadata that the upload lacks. */
function addsTo({ repoLabel, repoMeta, upload }: UploadRow, input: LegacySourceFileInput): boolean {
  const { sessionTimestampMs } = input
  const { origin, lastModifiedMs } = uploadFields(upload)
  return (
    (input.repoLabel !== undefined && repoLabel == null) ||
    (input.repoMeta !== undefined && repoMeta == null) ||
    (input.origin !== undefined && origin !== input.origin) ||
    (sessionTimestampMs !== undefined && Math.round(sessionTimestampMs) !== lastModifiedMs)
  )
}

/** The valid fields of `metadata.upload`. */
function uploadFields(upload: unknown) {
  const field = (name: string): unknown =>
    typeof upload === 'object' && upload !== null ? Reflect.get(upload, name) : undefined
  const time = (value: unknown) =>
    typeof value === 'number' && !Number.isNaN(new Date(value).getTime()) ? value : undefined
  const [storedAt, origin] = [field('storedAt'), field('origin')]
  const isTime = typeof storedAt === 'string' && !Number.isNaN(Date.parse(storedAt))
  return {
    storedAt: isTime ? storedAt : undefined,
    origin: typeof origin === 'string' ? origin : undefined,
    lastModifiedMs: time(field('lastModifiedMs')),
    sourceUpdatedAt: time(field('sourceUpdatedAt')),
  }
}

function sourceId(userId: string, source: string, path: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([userId, source, path]))
    .digest('hex')
  return `upload_${hash.slice(0, 32)}`
}

function titleOf(name: string): string {
  return [...name].slice(0, MAX_TITLE_LENGTH).join('') || 'Untitled'
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
