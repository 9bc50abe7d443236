import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { transaction, withCopyClient } from '../../server/connections.ts'
import type { ContentStore } from '../../server/uploads/content/content-store.ts'
import { createLineSplitter } from '../../timeline/lines.ts'
import type { ContentTarget, GivenContents } from '../content-files.ts'
import { UPLOADS_FILE } from '../export/export-session-uploads.ts'
import { checkedOwner, type ImportOwner, type ImportProgress } from './import-options.ts'
import { idOf } from './import-report.ts'
import { createQuarantineFile, type QuarantineFile } from './quarantine-file.ts'
import { BadRecordError, recordFields } from './record-fields.ts'
import { findUploadPlace, readUpload, type UploadPlace, writeUpload } from './write-upload.ts'

export interface ImportUploadsOptions {
  /** A connection string, or a pool, which stays open. The schema must be migrated. */
  readonly database: string | Pool
  /** The directory that `exportSessionUploads` wrote to. */
  readonly directory: string
  readonly tenantId: string
  /** The owner of new sessions. */
  readonly userId: string
  /** Visibility of new sessions; `private` by default. */
  readonly visibility?: 'private' | 'tenant'
  /** Where contents are stored; Postgres by default. Of several the first is used. */
  readonly contents?: GivenContents
  /** Only reports what would be done: nothing is written. */
  readonly dryRun?: boolean
  /** Checks all uploads first, and writes none if one of them cannot be imported. */
  readonly strict?: boolean
  /** A file for lines that cannot be imported (NDJSON). Without it they are only reported. */
  readonly quarantineFile?: string
  readonly onProgress?: (progress: ImportProgress) => void
}

/** A remark about one line of `session-uploads.ndjson`. */
export interface UploadIssue {
  /** Line number, from 1. */
  readonly line: number
  readonly id: string | null
  readonly reason: string
}

/** The outcome of an import of uploads. */
export interface UploadsReport {
  /** True if every upload could be imported. */
  readonly ok: boolean
  /** False if the directory has no exported uploads. */
  readonly found: boolean
  readonly inFile: number
  /** Sessions that were (or would be) created. */
  readonly inserted: number
  /** Stub sessions of an earlier import of chats that got (or would get) their content. */
  readonly filled: number
  readonly alreadyThere: number
  readonly badRecords: readonly UploadIssue[]
  /** Uploads imported with a change. */
  readonly notes: readonly UploadIssue[]
  /** The file with the bad lines; null when there are none, or nothing was written. */
  readonly quarantineFile: string | null
}

/**
 * Imports the uploads that `exportSessionUploads` wrote as sessions: ids are kept, contents stored,
 * timelines derived. A stub that an earlier import of chats created is filled. Each upload is one
 * transaction and existing ones are left alone: run an interrupted import again to finish it.
 *
 * @throws SessionDbError `invalid` for a truncated file, an invalid tenant or user id, and with
 *   `strict` for the first bad upload; `unavailable` when the database cannot be reached.
 */
export async function importSessionUploads(options: ImportUploadsOptions): Promise<UploadsReport> {
  const owner = checkedOwner(options)
  const path = join(options.directory, UPLOADS_FILE)
  const found = await access(path).then(
    () => true,
    () => false,
  )
  if (!found) return { ...NOTHING, ok: true, found, quarantineFile: null }
  const total = await countUploads(path)
  return withCopyClient(options.database, async (client) => {
    const { dryRun = false, strict = false, quarantineFile } = options
    const run = (more: Partial<ImportUploadsOptions>, quarantine?: QuarantineFile) =>
      importLines({ client, path, owner, total, options: { ...options, ...more }, quarantine })
    if (strict) refuseBadRecords(await run({ dryRun: true }))
    const quarantine =
      quarantineFile === undefined || dryRun ? undefined : createQuarantineFile(quarantineFile)
    try {
      const report = await run({}, quarantine)
      await quarantine?.finish()
      const isKept = report.badRecords.length > 0 && quarantine !== undefined
      return { ...report, quarantineFile: isKept ? (quarantineFile ?? null) : null }
    } finally {
      await quarantine?.discard()
    }
  })
}

const NOTHING = { inFile: 0, inserted: 0, filled: 0, alreadyThere: 0, badRecords: [], notes: [] }
const COUNTED = { new: 'inserted', stub: 'filled', there: 'alreadyThere' } as const

/** Unlike node:readline, this does not end lines at U+2028, which JSON may contain. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const splitter = createLineSplitter()
  for await (const chunk of createReadStream(path)) {
    for (const { text } of splitter.write(chunk as Buffer)) yield text
  }
  for (const { text } of splitter.end()) yield text
}

/** @throws SessionDbError `invalid` when the last line, which counts the others, is missing. */
async function countUploads(path: string): Promise<number> {
  let count = -1
  let last = ''
  for await (const line of linesOf(path)) {
    count += 1
    last = line
  }
  if (last === endLine(count)) return count
  throw new SessionDbError(
    'invalid',
    `${path} is truncated after ${count + 1} lines. Export the uploads again, in the old process.`,
  )
}

function endLine(count: number): string {
  return JSON.stringify({ end: true, count })
}

function refuseBadRecords({ badRecords: [bad] }: Pick<UploadsReport, 'badRecords'>): void {
  if (bad === undefined) return
  const name = `${UPLOADS_FILE} line ${bad.line}${bad.id === null ? '' : ` ${bad.id}`}`
  throw new SessionDbError(
    'invalid',
    `Stopped (strict): ${name}: ${bad.reason}. Nothing was imported.`,
  )
}

interface UploadRun {
  readonly client: ClientBase
  readonly path: string
  readonly owner: ImportOwner
  readonly total: number
  readonly options: ImportUploadsOptions
  readonly quarantine: QuarantineFile | undefined
}

async function importLines(run: UploadRun): Promise<Omit<UploadsReport, 'quarantineFile'>> {
  const { path, total, options, quarantine } = run
  const counts = { inFile: 0, inserted: 0, filled: 0, alreadyThere: 0 }
  const badRecords: UploadIssue[] = []
  const notes: UploadIssue[] = []
  for await (const text of linesOf(path)) {
    if (text === endLine(counts.inFile)) break
    counts.inFile += 1
    const value = parseLine(text)
    const issue = (reason: string) => ({ line: counts.inFile, id: idOf(value), reason })
    try {
      const place = await importUpload(run, value, (reason) => notes.push(issue(reason)))
      counts[COUNTED[place]] += 1
    } catch (error) {
      if (!isBadRecord(error)) throw error
      badRecords.push(issue(error.message))
      await quarantine?.add({ file: UPLOADS_FILE, ...issue(error.message) }, Buffer.from(text))
    }
    options.onProgress?.({ stage: 'writing', file: UPLOADS_FILE, done: counts.inFile, total })
  }
  return { ok: badRecords.length === 0, found: true, ...counts, badRecords, notes }
}

/** True if only this record cannot be imported, so that the next one can be tried. */
function isBadRecord(error: unknown): error is Error {
  return (
    error instanceof BadRecordError ||
    (error instanceof SessionDbError && error.code !== 'unavailable')
  )
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function importUpload(
  { client, owner, options }: UploadRun,
  value: unknown,
  note: (reason: string) => void,
): Promise<UploadPlace> {
  const { database, directory, contents = [], dryRun = false } = options
  const upload = await readUpload(recordFields(value, note), directory)
  const store = ([contents].flat() as ContentStore[])[0]
  const target: ContentTarget = { client, database, tenantId: owner.tenantId, store }
  return transaction(client, async () => {
    const place = await findUploadPlace(client, owner.tenantId, upload)
    if (place !== 'there' && !dryRun) await writeUpload(target, owner, upload, place)
    return place
  })
}
