import { createHash, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import { MAX_TITLE_LENGTH } from '../../schema/fields.ts'
import type { LegacyContext } from './context.ts'
import type { UploadFilter, UploadRow } from './legacy-rows.ts'
import { type RecordsOf, withoutNulls } from './records.ts'
import { createSourceFiles } from './source-files.ts'
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

/** The old store of uploads. */
export function createUploadStore<R>(context: LegacyContext) {
  type Upload = RecordsOf<R>['upload']
  const { rows, store, principal, write } = context
  const sources = createSourceFiles(context.sourceDirectories)
  const urlOf = context.uploadUrl ?? ((id) => `/api/uploads/${encodeURIComponent(id)}`)

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

  async function find(filter: UploadFilter): Promise<Upload | null> {
    const [row] = await rows.uploads(filter)
    return row === undefined ? null : toRecord(row)
  }

  async function requireUpload(id: string): Promise<Upload> {
    const found = await find({ id })
    if (found === null) throw new SessionDbError('not_found', `There is no upload ${id}.`)
    return found
  }

  async function readContent(id: string): Promise<string | null> {
    if ((await rows.uploads({ id })).length === 0) return null
    const { body } = await store.openContent(principal, id)
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks).toString('utf8')
  }

  /** Creates the session of a source file, or finds the one that another request has created. */
  async function createForSource(input: LegacySourceFileInput, path: string): Promise<string> {
    const { relativePath: originalName, source } = input
    const create = async (id: string) => {
      const value = { id, title: titleOf(originalName), source, originalName }
      await orConflict(() => write({ collection: 'sessions', type: 'insert', value }))
      return id
    }
    const id = await create(sourceId(principal.userId, source, path))
    // Another user may have taken the id.
    return (await rows.isOwner(id)) ? id : create(`upload_${randomUUID()}`)
  }

  /**
   * Returns the upload of a file of the server: one per source file, with the file's present content.
   * Concurrent calls create one record, because its id follows from user, source and path.
   */
  async function ensureSessionUploadForFile(input: LegacySourceFileInput): Promise<Upload> {
    const path = resolve(input.absolutePath)
    const [existing] = await rows.uploads({ sourcePath: path, source: input.source })
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
    await rows.replaceContent(id, content, {
      sourcePath: path,
      originalName: input.relativePath,
      repoLabel: input.repoLabel,
      repoMeta: input.repoMeta,
      upload,
    })
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
    listSessionUploadRecords: async (): Promise<Upload[]> => (await rows.uploads({})).map(toRecord),
    findSessionUploadRecordById: (id: string) => find({ id }),
    getSessionUploadSummaryById: (id: string) => find({ id }),
    findSessionUploadRecordByOriginalName: (name: string) => find({ originalName: name }),
    findSessionUploadRecordBySourcePath: (path: string, source?: string) =>
      find({ sourcePath: resolve(path), source }),
    getSessionUploadContent: readContent,
    async getSessionUploadContentByOriginalName(name: string): Promise<string | null> {
      const [row] = await rows.uploads({ originalName: name })
      return row === undefined ? null : readContent(row.id)
    },
    /** Replaces an upload's content and derives its timeline again. Chats stay. */
    async replaceSessionUploadContent(id: string, content: string): Promise<Upload | null> {
      if ((await rows.uploads({ id })).length === 0) return null
      await rows.replaceContent(id, Buffer.from(content))
      return requireUpload(id)
    },
    /** Reads an upload's source file again, and replaces its content if the file has changed. */
    async refreshSessionUploadFromSource(id: string): Promise<Upload | null> {
      const [row] = await rows.uploads({ id })
      if (row === undefined) return null
      if (row.sourcePath == null) {
        throw new SessionDbError('invalid', 'This upload has no source file to read again.')
      }
      const { content, modifiedMs } = await sources.read(row.sourcePath)
      const upload = { lastModifiedMs: Math.round(modifiedMs), sourceUpdatedAt: modifiedMs }
      await rows.replaceContent(id, content, { upload })
      return requireUpload(id)
    },
    /** Deletes the user's uploads. A session with chats stays, as a stub without content. */
    async clearSessionUploadRecords(): Promise<void> {
      const own = (await rows.uploads({ isOwn: true })).map(({ id }) => id)
      const kept = new Set(await rows.emptySessionsWithChats(own))
      await deleteRows(
        context,
        'sessions',
        own.filter((id) => !kept.has(id)),
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
