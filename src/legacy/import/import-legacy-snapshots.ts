import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import { createSessionIds, type FixedSessions } from '../fixed-sessions.ts'
import { compareWithDatabase } from './compare.ts'
import { checkedOwner, type ImportOwner, type ImportProgress } from './import-options.ts'
import { createIssueList, type ImportReport, type RowCounts, recordName } from './import-report.ts'
import { placeRecords, type RepeatedRecord, removeRepeats } from './place.ts'
import { createQuarantineFile, type QuarantineFile } from './quarantine-file.ts'
import { rememberFiles, stageSnapshotFiles } from './stage.ts'
import { readNewSessions, writeRows } from './write.ts'

export interface ImportOptions {
  /** A connection string, or a pool, which stays open. The schema must be migrated. */
  readonly database: string | Pool
  /** The old app's `data` directory. */
  readonly directory: string
  readonly tenantId: string
  /** The owner of new sessions, creator of the threads and author of the messages. */
  readonly userId: string
  /** Visibility of new sessions; `private` by default. */
  readonly visibility?: 'private' | 'tenant'
  /** How fixed session ids are translated, such as `{ 'session-default': 'user' }`. */
  readonly fixedSessions?: FixedSessions
  /** Only reports what would be done: nothing is written or locked. */
  readonly dryRun?: boolean
  /** Fails at the first record that cannot be imported, or thread that does not agree. */
  readonly strict?: boolean
  /**
   * Imports the readable records of a file that is not valid JSON. The whole file is then held in
   * memory.
   */
  readonly salvage?: boolean
  /** A file for records that cannot be imported (NDJSON). Without it they are only reported. */
  readonly quarantineFile?: string
  readonly onProgress?: (progress: ImportProgress) => void
}

/**
 * Imports an old app's `chat-threads.json`, `chat-messages.json` and `chat-tool-events.json` in one
 * transaction. Ids, order and times are kept; sessions without a record are created as stubs. Existing
 * rows are left alone, so a second run changes nothing and live edits stay. At the end every thread is
 * read back and compared with the files.
 *
 * The files are streamed into temporary tables, where Postgres decides what is missing: memory does not
 * grow with their size.
 *
 * @returns the report; `ok` only if every record could be imported and every thread agrees.
 * @throws SessionDbError `invalid` for a file that is not a JSON array (with line and column) or is
 *   changed during the import, for an invalid tenant or user id, and with `strict` for the first bad
 *   record; `unavailable` when the database cannot be reached or is not migrated. Nothing is written
 *   then.
 * @example
 * const report = await importLegacySnapshots({
 *   database: process.env.DATABASE_URL,
 *   directory: 'data',
 *   tenantId: 'acme',
 *   userId: 'ada',
 * })
 * console.log(formatImportReport(report))
 */
export async function importLegacySnapshots(options: ImportOptions): Promise<ImportReport> {
  const owner = checkedOwner(options)
  const quarantine =
    options.quarantineFile === undefined || options.dryRun
      ? undefined
      : createQuarantineFile(options.quarantineFile)
  const work = (client: ClientBase) => runImport(client, options, owner, quarantine)
  try {
    return await inCopyTransaction(options.database, work, { commit: options.dryRun !== true })
  } finally {
    await quarantine?.discard()
  }
}

async function runImport(
  client: ClientBase,
  options: ImportOptions,
  owner: ImportOwner,
  quarantine: QuarantineFile | undefined,
): Promise<ImportReport> {
  const { dryRun = false, strict = false, salvage = false, directory } = options
  const progress = (stage: ImportProgress['stage'], done = 0, total = 0, file?: string) =>
    options.onProgress?.({ stage, done, total, ...(file !== undefined && { file }) })
  const badRecords = createIssueList()
  const notes = createIssueList()
  const tenant = client.escapeLiteral(owner.tenantId)
  const ids = createSessionIds(options.fixedSessions ?? {}, owner.userId)
  if (!dryRun) await lockImports(client, owner.tenantId)

  const checkUnchanged = await rememberFiles(directory)
  const files = await stageSnapshotFiles(client, {
    directory,
    salvage,
    ids,
    onNote: notes.add,
    onBytes: (file, done, total) => progress('reading', done, total, file),
    async onBadRecord(issue, bytes) {
      if (strict) throw refusal(`${recordName(issue)}: ${issue.reason}`)
      badRecords.add(issue)
      await quarantine?.add(issue, bytes)
    },
  })

  progress('placing')
  const repeats = await removeRepeats(client, notes)
  const [repeat] = repeats
  if (strict && repeat) throw refusal(`${recordName(repeat.issue)}: ${repeat.issue.reason}`)
  for (const { issue } of repeats) badRecords.add(issue)
  if (quarantine) await quarantineRepeats(quarantine, directory, repeats)
  await placeRecords(client, { tenant, lock: !dryRun }, notes)
  const stubs = await readNewSessions(client, ids)
  const counts = await countRows(client, stubs.length)

  if (!dryRun) {
    const total = counts.messages.inserted
    progress('writing', 0, total)
    await writeRows(client, owner, stubs, ids)
    progress('writing', total, total)
    await checkUnchanged()
  }

  progress('comparing')
  const perThread = await compareWithDatabase(client, tenant, dryRun)
  const differing = perThread.find(({ agrees }) => !agrees)
  if (strict && differing) {
    throw refusal(`thread ${differing.id} differs in ${differing.differences.join(', ')}`)
  }
  await quarantine?.finish()
  progress('done')
  return {
    ok: badRecords.count === 0 && differing === undefined,
    dryRun,
    changed: Object.values(counts).some(({ inserted }) => inserted > 0),
    files,
    ...counts,
    stubSessions: stubs.map(({ id, title }) => ({ id, title })),
    perThread,
    badRecords: badRecords.listed,
    badRecordCount: badRecords.count,
    notes: notes.listed,
    noteCount: notes.count,
    quarantineFile: (badRecords.count > 0 && quarantine && options.quarantineFile) || null,
  }
}

function refusal(what: string): SessionDbError {
  return new SessionDbError('invalid', `Stopped (strict): ${what}. Nothing was imported.`)
}

/** One import per tenant at a time; the lock ends with the transaction. */
async function lockImports(client: ClientBase, tenantId: string): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `session-db import ${tenantId}`,
  ])
}

/** Repeated ids are known only when all records are read: their text is read from the files again. */
async function quarantineRepeats(
  quarantine: QuarantineFile,
  directory: string,
  repeats: readonly RepeatedRecord[],
): Promise<void> {
  const files = new Map<string, FileHandle>()
  try {
    for (const { issue, start, bytes } of repeats) {
      const file = files.get(issue.file) ?? (await open(join(directory, issue.file)))
      files.set(issue.file, file)
      const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, start)
      await quarantine.add(issue, buffer)
    }
  } finally {
    await Promise.all([...files.values()].map((file) => file.close()))
  }
}

async function countRows(
  client: ClientBase,
  newSessions: number,
): Promise<Pick<ImportReport, 'sessions' | 'threads' | 'messages'>> {
  const { rows } = await client.query<
    Record<'sessions' | 'threads' | 'messages' | 'newThreads' | 'newMessages', number>
  >(
    `SELECT
       (SELECT count(DISTINCT session_id)::int FROM legacy_expected) AS sessions,
       (SELECT count(*)::int FROM legacy_expected) AS threads,
       (SELECT count(*)::int FROM legacy_new_threads) AS "newThreads",
       (SELECT count(*)::int FROM legacy_placed WHERE same_as IS NULL) AS messages,
       (SELECT count(*)::int FROM legacy_placed WHERE position IS NOT NULL) AS "newMessages"`,
  )
  const [found] = rows
  return {
    sessions: rowCounts(found?.sessions ?? 0, newSessions),
    threads: rowCounts(found?.threads ?? 0, found?.newThreads ?? 0),
    messages: rowCounts(found?.messages ?? 0, found?.newMessages ?? 0),
  }
}

function rowCounts(inFiles: number, inserted: number): RowCounts {
  return { inFiles, inserted, alreadyThere: inFiles - inserted }
}
