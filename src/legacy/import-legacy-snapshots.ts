import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../errors.ts'
import { idField } from '../schema/fields.ts'
import { inTransaction } from '../server/in-transaction.ts'
import { compareThreads } from './compare-threads.ts'
import { readDatabaseState } from './database-state.ts'
import type { ImportReport, RowCounts } from './import-report.ts'
import { type ParsedSnapshot, parseSnapshot, type SnapshotFiles } from './parse-snapshot.ts'
import { type ImportPlan, planImport } from './plan-import.ts'
import { readSnapshotFile } from './read-snapshot-file.ts'
import { type ImportOwner, writePlan } from './write-plan.ts'

/** How far an import has come. */
export interface ImportProgress {
  readonly stage: 'reading' | 'writing' | 'comparing' | 'done'
  /** Messages written so far, of so many that are new. */
  readonly messages: { readonly done: number; readonly total: number }
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
  /** Does everything and takes it back: the report says what would be. */
  readonly dryRun?: boolean
  readonly onProgress?: (progress: ImportProgress) => void
}

/**
 * Brings an old app's `chat-threads.json`, `chat-messages.json` and `chat-tool-events.json` into the
 * database, in one transaction: ids, order and times are kept, sessions nobody has a record of are
 * made. Rows that are there already are left alone, so a second run changes nothing and live edits
 * stay. Afterwards every thread is read back and compared with the files.
 *
 * @returns the report; `ok` only when every record was understood and every thread agrees.
 * @throws SessionDbError `invalid` for a file that is not a JSON array (naming file and position),
 * or a tenant or user that is no id; `unavailable` when the database cannot be reached. Nothing is
 * written then.
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
  const progress = (stage: ImportProgress['stage'], done = 0, total = 0) =>
    options.onProgress?.({ stage, messages: { done, total } })
  progress('reading')
  const files: SnapshotFiles = {
    threads: await readSnapshotFile(options.dataDir, 'chat-threads.json'),
    messages: await readSnapshotFile(options.dataDir, 'chat-messages.json'),
    toolEvents: await readSnapshotFile(options.dataDir, 'chat-tool-events.json'),
  }
  const snapshot = parseSnapshot(files)
  const work = async (client: ClientBase): Promise<ImportReport> => {
    await lockImports(client, owner.tenantId)
    const before = await readDatabaseState(client, owner.tenantId, snapshot)
    const plan = planImport(snapshot, before)
    const total = plan.messages.length
    progress('writing', 0, total)
    await writePlan(client, owner, plan, (done) => progress('writing', done, total))
    progress('comparing', total, total)
    const perThread = await compareThreads(client, owner.tenantId, plan.expected, before)
    progress('done', total, total)
    return {
      ...summarise(files, snapshot, plan),
      ok: snapshot.badRecords.length === 0 && perThread.every(({ agrees }) => agrees),
      dryRun: options.dryRun ?? false,
      perThread,
    }
  }
  return inTransaction(options.database, work, { commit: options.dryRun !== true })
}

function checkedOwner({ tenantId, userId, visibility = 'private' }: ImportOptions): ImportOwner {
  for (const [name, value] of Object.entries({ tenantId, userId })) {
    const problem = idField.safeParse(value).error?.issues[0]?.message
    if (problem !== undefined) throw new SessionDbError('invalid', `${name}: ${problem}`)
  }
  return { tenantId, userId, visibility }
}

/** One import per tenant at a time; the lock ends with the transaction. */
async function lockImports(client: ClientBase, tenantId: string): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `session-db import ${tenantId}`,
  ])
}

function summarise(
  files: SnapshotFiles,
  snapshot: ParsedSnapshot,
  plan: ImportPlan,
): Omit<ImportReport, 'ok' | 'dryRun' | 'perThread'> {
  const expectedMessages = plan.expected.reduce((sum, { messages }) => sum + messages.length, 0)
  const sessionCount = new Set(plan.expected.map(({ sessionId }) => sessionId)).size
  const counts = {
    sessions: rowCounts(sessionCount, plan.sessions.length),
    threads: rowCounts(plan.expected.length, plan.threads.length),
    messages: rowCounts(expectedMessages, plan.messages.length),
  }
  return {
    changed: Object.values(counts).some(({ inserted }) => inserted > 0),
    files: Object.values(files).map(({ name, path, found, records }) => ({
      name,
      path,
      found,
      records: records.length,
    })),
    ...counts,
    badRecords: snapshot.badRecords,
    notes: [...snapshot.notes, ...plan.notes],
  }
}

function rowCounts(inFiles: number, inserted: number): RowCounts {
  return { inFiles, inserted, alreadyThere: inFiles - inserted }
}
