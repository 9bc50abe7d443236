import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { inCopyTransaction } from '../../server/connections.ts'
import { compareWithDatabase } from './compare-with-database.ts'
import { checkedOwner, type ImportOwner } from './import-owner.ts'
import type {
  ImportReport,
  RowCounts,
  SnapshotFileName,
  SnapshotFileReport,
} from './import-report.ts'
import { placeRecords, setAside } from './place-records.ts'
import type { PlaceSql } from './place-sql.ts'
import { createQuarantineFile, type QuarantineFile } from './quarantine-file.ts'
import { quarantineRepeats } from './quarantine-repeats.ts'
import type { RecordSource } from './read-records.ts'
import { createIssueList, recordName } from './record-issues.ts'
import { stageSnapshotFiles } from './stage-snapshot-files.ts'
import { createStagingTables } from './staging-tables.ts'
import { rememberFiles } from './unchanged-files.ts'
import { readNewSessions, writeRows } from './write-rows.ts'

/** How far an import has come. */
export interface ImportProgress {
  readonly stage: 'reading' | 'placing' | 'writing' | 'comparing' | 'done'
  /** The file being read. */
  readonly file?: SnapshotFileName
  /** Bytes while reading, messages while writing. */
  readonly done: number
  readonly total: number
}

export interface ImportOptions {
  /** A connection string, or a pool, which stays open. The schema must be migrated. */
  readonly database: string | Pool
  /** The old app's `data` directory. */
  readonly dataDir: string
  readonly tenantId: string
  /** Owner of the sessions that are made, creator of the threads and author of the messages. */
  readonly userId: string
  /** Of the sessions that are made; `private` unless given. */
  readonly visibility?: 'private' | 'tenant'
  /** Only plans: the report says what would be, and no table is written or locked. */
  readonly dryRun?: boolean
  /** Stops at the first record that cannot be imported, or thread that does not agree. */
  readonly strict?: boolean
  /** Takes the records that can be read of a file that is not JSON throughout. */
  readonly salvage?: boolean
  /** Where to put records that cannot be imported, as NDJSON. Without it they are only reported. */
  readonly quarantineFile?: string
  readonly onProgress?: (progress: ImportProgress) => void
}

/**
 * Brings an old app's `chat-threads.json`, `chat-messages.json` and `chat-tool-events.json` into the
 * database, in one transaction: ids, order and times are kept, sessions nobody has a record of are
 * made. Rows that are there already are left alone, so a second run changes nothing and live edits
 * stay. Afterwards every thread is read back and compared with the files. These are read twice: what
 * is decided, and their texts as they are written. Memory does not grow with the files.
 *
 * @returns the report; `ok` only when every record was understood and every thread agrees.
 * @throws SessionDbError `invalid` for a file that is not a JSON array (naming file and position) or
 * that is written meanwhile, a tenant or user that is no id, and with `strict` for the first record that is bad; `unavailable`
 * when the database cannot be reached or is not migrated. Nothing is written then.
 * @example
 * const report = await importLegacySnapshots({
 *   database: process.env.DATABASE_URL,
 *   dataDir: 'data',
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
  const { dryRun = false, strict = false, salvage = false, dataDir } = options
  const progress = (stage: ImportProgress['stage'], done = 0, total = 0, file?: SnapshotFileName) =>
    options.onProgress?.({ stage, done, total, ...(file !== undefined && { file }) })
  const badRecords = createIssueList()
  const notes = createIssueList()
  const sql: PlaceSql = { tenant: client.escapeLiteral(owner.tenantId), lock: !dryRun }
  if (!dryRun) await lockImports(client, owner.tenantId)
  await createStagingTables(client)
  const source: RecordSource = {
    dataDir,
    salvage,
    onNote: notes.add,
    onBytes: (file, done, total) => progress('reading', done, total, file),
    async onBadRecord(issue, bytes) {
      if (strict) throw refusal(`${recordName(issue)}: ${issue.reason}`)
      badRecords.add(issue)
      await quarantine?.add(issue, bytes)
    },
  }
  const checkUnchanged = await rememberFiles(dataDir)
  const files = await stageSnapshotFiles(client, source)
  progress('placing')
  const repeats = await setAside(client, notes)
  const [repeat] = repeats
  if (strict && repeat) throw refusal(`${recordName(repeat)}: ${repeat.reason}`)
  for (const issue of repeats) badRecords.add(issue)
  if (quarantine) await quarantineRepeats(quarantine, dataDir, salvage, repeats)
  await placeRecords(client, sql, notes)
  const stubs = await readNewSessions(client)
  const counts = await countRows(client, stubs.length)
  const total = counts.messages.inserted
  if (!dryRun) {
    progress('writing', 0, total)
    try {
      await writeRows(client, owner, stubs, source, (done) => progress('writing', done, total))
    } finally {
      await checkUnchanged()
    }
  }
  progress('comparing')
  const perThread = await compareWithDatabase(client, sql, dryRun)
  const differing = perThread.find(({ agrees }) => !agrees)
  if (strict && differing) {
    throw refusal(`thread ${differing.id} would not agree (${differing.differences.join(', ')})`)
  }
  await quarantine?.finish()
  progress('done')
  return {
    ok: badRecords.count === 0 && differing === undefined,
    dryRun,
    changed: Object.values(counts).some(({ inserted }) => inserted > 0),
    files: files satisfies readonly SnapshotFileReport[],
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
