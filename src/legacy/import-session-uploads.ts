import { createReadStream } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Pool } from 'pg'
import { SessionDbError } from '../errors.ts'
import type { JsonObject } from '../schema/fields.ts'
import { createSessionStore, type SessionStore } from '../server/store/index.ts'
import { UPLOAD_CONTENTS, UPLOADS_FILE } from './export-session-uploads.ts'
import { BadRecordError, type RecordFields, recordFields } from './record-fields.ts'

export interface ImportUploadsOptions {
  readonly database: string | Pool
  readonly dataDir: string
  readonly tenantId: string
  readonly userId: string
  readonly visibility?: 'private' | 'tenant'
  readonly dryRun?: boolean
  readonly onProgress?: (done: number) => void
}

/** What became of exported uploads. */
export interface UploadsReport {
  readonly ok: boolean
  /** Whether there are any. */
  readonly found: boolean
  readonly inFile: number
  readonly inserted: number
  readonly alreadyThere: number
  readonly badRecords: readonly {
    readonly line: number
    readonly id: string | null
    readonly reason: string
  }[]
}

/**
 * Makes sessions of the uploads that `exportSessionUploads` wrote: ids kept, content stored, timeline
 * derived. Each is a transaction of its own, and one that is there already is left alone: an import
 * that was interrupted is finished by running it again.
 *
 * @throws SessionDbError `invalid` for a file that breaks off; `unavailable` without a database.
 */
export async function importSessionUploads(options: ImportUploadsOptions): Promise<UploadsReport> {
  const path = join(options.dataDir, UPLOADS_FILE)
  const found = await access(path).then(
    () => true,
    () => false,
  )
  const none = { ok: true, found, inFile: 0, inserted: 0, alreadyThere: 0, badRecords: [] }
  if (!found) return none
  await refuseBrokenFile(path)
  const pool =
    typeof options.database === 'string' ? await openPool(options.database) : options.database
  try {
    return await importLines(pool, path, options)
  } finally {
    if (pool !== options.database) await pool.end()
  }
}

async function openPool(connectionString: string): Promise<Pool> {
  const { Pool } = await import('pg')
  return new Pool({ connectionString, max: 2 })
}

async function* linesOf(path: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
}

/** The last line counts the others: a file without it is not all there. */
async function refuseBrokenFile(path: string): Promise<void> {
  let count = -1
  let last = ''
  for await (const line of linesOf(path)) {
    count += 1
    last = line
  }
  if (last === JSON.stringify({ end: true, count })) return
  throw new SessionDbError(
    'invalid',
    `${path} breaks off after ${count + 1} lines. Export the uploads again, in the old process.`,
  )
}

async function importLines(
  pool: Pool,
  path: string,
  options: ImportUploadsOptions,
): Promise<UploadsReport> {
  const counts = { inFile: 0, inserted: 0, alreadyThere: 0 }
  const badRecords: { line: number; id: string | null; reason: string }[] = []
  const store = createSessionStore({ database: pool })
  let line = 0
  for await (const text of linesOf(path)) {
    line += 1
    const record = parseLine(text)
    if (record !== undefined && Reflect.get(record, 'end') === true) break
    counts.inFile += 1
    const id =
      record && typeof Reflect.get(record, 'id') === 'string'
        ? String(Reflect.get(record, 'id'))
        : null
    try {
      if (record === undefined) throw new BadRecordError('is not a JSON object')
      const inserted = await importUpload(
        pool,
        store,
        recordFields(record, () => {}),
        options,
      )
      counts[inserted ? 'inserted' : 'alreadyThere'] += 1
    } catch (error) {
      const isOwn = error instanceof SessionDbError && error.code !== 'unavailable'
      if (!(error instanceof BadRecordError) && !isOwn) throw error
      badRecords.push({ line, id, reason: (error as Error).message })
    }
    options.onProgress?.(line)
  }
  return { ok: badRecords.length === 0, found: true, ...counts, badRecords }
}

function parseLine(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const KNOWN = new Set([
  ...['id', 'originalName', 'contentSha256', 'storedAt', 'source', 'sourcePath', 'repoLabel'],
  ...['repoMeta', 'workspaceRoot'],
])

/** Whether the upload was new, or had not arrived whole. */
async function importUpload(
  pool: Pool,
  store: SessionStore,
  fields: RecordFields,
  { dataDir, tenantId, userId, visibility = 'private', dryRun = false }: ImportUploadsOptions,
): Promise<boolean> {
  const id = fields.id('id')
  const sha256 = fields.text('contentSha256') ?? ''
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new BadRecordError('contentSha256: must be a SHA-256')
  const path = join(dataDir, UPLOAD_CONTENTS, sha256)
  await access(path).catch(() => {
    throw new BadRecordError(`its content ${UPLOAD_CONTENTS}/${sha256} is not there`)
  })
  const { rows } = await pool.query<{ sha256: string | null }>(
    'SELECT content_sha256 AS sha256 FROM sessions WHERE tenant_id = $1 AND id = $2',
    [tenantId, id],
  )
  const stored = rows[0]?.sha256 ?? null
  if (stored === sha256) return false
  if (stored !== null) {
    throw new BadRecordError('a session with this id and other content is there, left alone')
  }
  if (dryRun) return true
  const principal = { tenantId, userId }
  const repo = fields.value('repoMeta')
  const originalName = fields.text('originalName') || id
  const { size } = await stat(path)
  const { receivedBytes } = await store.createSession(principal, {
    id,
    totalBytes: size,
    title: [...originalName].slice(0, 1_000).join(''),
    visibility,
    source: fields.oneOf('source', ['upload', 'bundled', 'external']) ?? 'upload',
    originalName,
    sourcePath: fields.text('sourcePath') ?? null,
    repoLabel: fields.text('repoLabel') ?? null,
    repo: isObject(repo) ? repo : null,
    workspaceRoot: fields.text('workspaceRoot') ?? null,
    metadata: { upload: fields.others(KNOWN) },
  })
  await pool.query(
    `UPDATE sessions SET created_at = $3
     WHERE tenant_id = $1 AND id = $2 AND content_sha256 IS NULL AND created_at <> $3 AND $3 > '1970-01-01'`,
    [tenantId, id, fields.time('storedAt') ?? new Date(0)],
  )
  await store.uploadContent(principal, id, createReadStream(path, { start: receivedBytes }), {
    offset: receivedBytes,
  })
  return true
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
