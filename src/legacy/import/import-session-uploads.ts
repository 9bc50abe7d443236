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
import { checkedOwner, type ImportOwner } from './import-owner.ts'
import { createQuarantineFile, type QuarantineFile } from './quarantine-file.ts'
import { BadRecordError, recordFields } from './record-fields.ts'
import { idOf } from './record-issues.ts'
import { readUploadRecord } from './upload-record.ts'
import { findUploadPlace, type UploadPlace, writeUpload } from './write-upload.ts'

export interface ImportUploadsOptions {
  readonly database: string | Pool
  readonly dataDir: string
  readonly tenantId: string
  readonly userId: string
  readonly visibility?: 'private' | 'tenant'
  /** Where contents go; Postgres unless given. Of several the first. */
  readonly contents?: GivenContents
  /** Only plans: nothing is written. */
  readonly dryRun?: boolean
  /** Looks at all uploads first, and writes none when one of them cannot be imported. */
  readonly strict?: boolean
  /** Where to put lines that cannot be imported, as NDJSON. Without it they are only reported. */
  readonly quarantineFile?: string
  /** Hears how many lines have been dealt with. */
  readonly onProgress?: (done: number) => void
}

/** An upload that could not be imported, or was with a change. */
export interface UploadIssue {
  /** Line of `session-uploads.ndjson`, from 1. */
  readonly line: number
  readonly id: string | null
  readonly reason: string
}

/** What became of exported uploads. */
export interface UploadsReport {
  readonly ok: boolean
  /** Whether there are any. */
  readonly found: boolean
  readonly inFile: number
  /** Sessions that were (or would be) made. */
  readonly inserted: number
  /** Stub sessions of an earlier import of chats that got (or would get) their content. */
  readonly filled: number
  readonly alreadyThere: number
  readonly badRecords: readonly UploadIssue[]
  /** Uploads that were imported otherwise than they stand. */
  readonly notes: readonly UploadIssue[]
  /** Where the bad lines are, as they stood; null when there are none or nothing was written. */
  readonly quarantineFile: string | null
}

/**
 * Makes sessions of the uploads that `exportSessionUploads` wrote: ids kept, content stored, timeline
 * derived. A stub that an earlier import of chats made is filled. Each is one transaction, and one
 * that is there already is left alone: an import that was interrupted is finished by running it again.
 *
 * @throws SessionDbError `invalid` for a file that breaks off, a tenant or user that is no id, and
 * with `strict` for the first upload that is bad; `unavailable` without a database.
 */
export async function importSessionUploads(options: ImportUploadsOptions): Promise<UploadsReport> {
  const owner = checkedOwner(options)
  const path = join(options.dataDir, UPLOADS_FILE)
  const found = await access(path).then(
    () => true,
    () => false,
  )
  if (!found) return { ...NOTHING, ok: true, found, quarantineFile: null }
  await refuseBrokenFile(path)
  return withCopyClient(options.database, async (client) => {
    const { dryRun = false, strict = false, quarantineFile } = options
    if (strict)
      refuseBadRecords(await importLines(client, path, owner, { ...options, dryRun: true }))
    const quarantine =
      quarantineFile === undefined || dryRun ? undefined : createQuarantineFile(quarantineFile)
    try {
      const report = await importLines(client, path, owner, options, quarantine)
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

/** Not node:readline, which ends lines at U+2028, too; JSON may hold that as it is. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const splitter = createLineSplitter()
  for await (const chunk of createReadStream(path)) {
    for (const { text } of splitter.write(chunk as Buffer)) yield text
  }
  for (const { text } of splitter.end()) yield text
}

/** The last line counts the others: a file without it is not all there. */
async function refuseBrokenFile(path: string): Promise<void> {
  let count = -1
  let last = ''
  for await (const line of linesOf(path)) {
    count += 1
    last = line
  }
  if (last === endLine(count)) return
  throw new SessionDbError(
    'invalid',
    `${path} breaks off after ${count + 1} lines. Export the uploads again, in the old process.`,
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

async function importLines(
  client: ClientBase,
  path: string,
  owner: ImportOwner,
  options: ImportUploadsOptions,
  quarantine?: QuarantineFile,
): Promise<Omit<UploadsReport, 'quarantineFile'>> {
  const counts = { inFile: 0, inserted: 0, filled: 0, alreadyThere: 0 }
  const badRecords: UploadIssue[] = []
  const notes: UploadIssue[] = []
  for await (const text of linesOf(path)) {
    if (text === endLine(counts.inFile)) break
    counts.inFile += 1
    const value = parseLine(text)
    const issue = (reason: string) => ({ line: counts.inFile, id: idOf(value), reason })
    try {
      const note = (reason: string) => notes.push(issue(reason))
      counts[COUNTED[await importUpload(client, value, note, owner, options)]] += 1
    } catch (error) {
      if (!isOfRecord(error)) throw error
      badRecords.push(issue(error.message))
      await quarantine?.add({ file: UPLOADS_FILE, ...issue(error.message) }, Buffer.from(text))
    }
    options.onProgress?.(counts.inFile)
  }
  return { ok: badRecords.length === 0, found: true, ...counts, badRecords, notes }
}

/** Whether only this record cannot be imported, and the next one may. */
function isOfRecord(error: unknown): error is Error {
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
  client: ClientBase,
  value: unknown,
  note: (reason: string) => void,
  owner: ImportOwner,
  { database, dataDir, contents = [], dryRun = false }: ImportUploadsOptions,
): Promise<UploadPlace> {
  const upload = await readUploadRecord(recordFields(value, note), dataDir)
  const store = ([contents].flat() as ContentStore[])[0]
  const target: ContentTarget = { client, database, tenantId: owner.tenantId, store }
  return transaction(client, async () => {
    const place = await findUploadPlace(client, owner.tenantId, upload)
    if (place !== 'there' && !dryRun) await writeUpload(target, owner, upload, place)
    return place
  })
}
