import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { SessionDbError } from '../../errors.ts'
import { copyLine } from '../../server/copy-text.ts'
import type { SessionIds } from '../fixed-sessions.ts'
import {
  idOf,
  type RecordIssue,
  SNAPSHOT_FILES,
  type SnapshotFileName,
  type SnapshotFileReport,
} from './import-report.ts'
import { type JsonElement, JsonFileError, readJsonArray } from './json-array.ts'
import { asBadRecord, BadRecordError, recordFields } from './record-fields.ts'
import {
  type LegacyMessage,
  type LegacyThread,
  parseMessage,
  parseThread,
  parseToolEvent,
} from './records.ts'

/**
 * Reads the old app's files into temporary tables, which the following steps work on. Postgres holds
 * the records, so memory does not grow with the files. The tables end with the transaction.
 *
 * `file` is an index into `SNAPSHOT_FILES`; `start` and `bytes` locate the record in it; `n`
 * orders messages and tool events as they were read.
 */
const STAGING_TABLES = `
  SET LOCAL work_mem = '64MB';
  SET LOCAL jit = off;
  CREATE TEMP TABLE legacy_threads (
    file smallint, index integer, start bigint, bytes integer,
    id text, session_id text, mode text, title text, status text, declared_count bigint,
    created_at timestamptz, updated_at timestamptz, metadata jsonb
  ) ON COMMIT DROP;
  CREATE TEMP TABLE legacy_messages (
    n integer GENERATED ALWAYS AS IDENTITY, file smallint, index integer, start bigint, bytes integer,
    id text, session_id text, mode text, thread_id text, role text, content text, parts jsonb,
    client_message_id text, created_at timestamptz, updated_at timestamptz, metadata jsonb
  ) ON COMMIT DROP`

const COPY_THREADS = 'COPY legacy_threads FROM STDIN'
const COPY_MESSAGES = `COPY legacy_messages (file, index, start, bytes, id, session_id, mode,
  thread_id, role, content, parts, client_message_id, created_at, updated_at, metadata) FROM STDIN`

/** The files, and callbacks for what is found in them. */
export interface SnapshotSource {
  readonly directory: string
  /** Imports what is readable of a file that is not valid JSON throughout. */
  readonly salvage: boolean
  readonly ids: SessionIds
  onBadRecord(issue: RecordIssue, bytes: Buffer): Promise<void>
  onNote(issue: RecordIssue): void
  onBytes(name: SnapshotFileName, done: number, total: number): void
}

/**
 * Creates the temporary tables and reads the files into them. A missing file has no records.
 *
 * @throws SessionDbError `invalid`, naming file and line, when a file is not a JSON array in UTF-8.
 */
export async function stageSnapshotFiles(
  client: ClientBase,
  source: SnapshotSource,
): Promise<SnapshotFileReport[]> {
  await client.query(STAGING_TABLES)
  const reports: SnapshotFileReport[] = []
  for (const name of SNAPSHOT_FILES) {
    const path = join(source.directory, name)
    const total = await sizeOf(path)
    const records = total === undefined ? 0 : await stageFile(client, source, name, total)
    reports.push({ name, path, found: total !== undefined, records })
  }
  await client.query('ANALYZE legacy_threads, legacy_messages')
  return reports
}

/** Returns the number of records, bad ones included. */
async function stageFile(
  client: ClientBase,
  source: SnapshotSource,
  name: SnapshotFileName,
  total: number,
): Promise<number> {
  const path = join(source.directory, name)
  const toLine = createLines(name, source.ids)
  const onBytes = (done: number) => source.onBytes(name, done, total)
  let records = 0
  async function* lines() {
    for await (const elements of readJsonArray(path, { salvage: source.salvage, onBytes })) {
      let text = ''
      for (const element of elements) {
        const issue = (reason: string): RecordIssue => ({
          ...{ file: name, index: element.index, id: idOf(element.value), reason },
        })
        records += 1
        try {
          const notes: string[] = []
          text += toLine(element, (reason) => notes.push(reason))
          for (const reason of notes) source.onNote(issue(reason))
        } catch (error) {
          if (!(error instanceof BadRecordError)) throw error
          await source.onBadRecord(issue(error.message), element.bytes)
        }
      }
      if (text !== '') yield Buffer.from(text)
    }
  }
  const copy = copyFrom(name === 'chat-threads.json' ? COPY_THREADS : COPY_MESSAGES)
  try {
    await pipeline(lines(), client.query(copy))
  } catch (error) {
    throw error instanceof JsonFileError ? notImportable(path, error.message) : error
  }
  return records
}

/** Turns the records of one file, in their order, into lines for COPY. */
function createLines(name: SnapshotFileName, ids: SessionIds) {
  const file = SNAPSHOT_FILES.indexOf(name)
  let previousTime = new Date(0)
  const withStoredSession = <Row extends { readonly sessionId: string }>(row: Row): Row => ({
    ...row,
    sessionId: asBadRecord(() => ids.stored(row.sessionId)),
  })
  return ({ value, index, start, bytes, problem }: JsonElement, note: (reason: string) => void) => {
    if (problem !== undefined) throw new BadRecordError(problem)
    const fields = recordFields(value, note)
    const place = [file, index, start, bytes.length]
    if (name === 'chat-threads.json')
      return threadLine(place, withStoredSession(parseThread(fields)))
    const parse = name === 'chat-messages.json' ? parseMessage : parseToolEvent
    const message = parse(fields, previousTime)
    previousTime = message.createdAt
    return messageLine(place, withStoredSession(message))
  }
}

function threadLine(place: readonly number[], thread: LegacyThread): string {
  const { id, sessionId, mode, title, status, declaredCount, createdAt, updatedAt } = thread
  return copyLine([
    ...[...place, id, sessionId, mode, title, status, declaredCount],
    ...[createdAt.toISOString(), updatedAt.toISOString(), JSON.stringify(thread.metadata)],
  ])
}

function messageLine(place: readonly number[], message: LegacyMessage): string {
  const { id, sessionId, mode, threadId, role, content, parts, clientMessageId } = message
  return copyLine([
    ...[...place, id, sessionId, mode, threadId, role, content, JSON.stringify(parts)],
    ...[clientMessageId, message.createdAt.toISOString(), message.updatedAt.toISOString()],
    JSON.stringify(message.metadata),
  ])
}

/**
 * Remembers size and time of the files. The returned function throws a SessionDbError `invalid` when
 * one has been written since: the old app still runs, and the import lacks what it wrote.
 */
export async function rememberFiles(directory: string): Promise<() => Promise<void>> {
  const paths = SNAPSHOT_FILES.map((name) => join(directory, name))
  const before = await Promise.all(paths.map(stateOf))
  return async () => {
    const after = await Promise.all(paths.map(stateOf))
    const changed = paths.find((_, at) => before[at] !== after[at])
    if (changed === undefined) return
    throw new SessionDbError(
      'invalid',
      `${changed} was changed during the import. Nothing was imported. ` +
        'Stop the old app, then import again.',
      { details: { path: changed } },
    )
  }
}

async function stateOf(path: string): Promise<string> {
  const state = await stat(path, { bigint: true }).catch(() => undefined)
  return state === undefined ? 'missing' : `${state.ino} ${state.size} ${state.mtimeNs}`
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    const reason = error instanceof Error ? error.message : String(error)
    throw new SessionDbError('invalid', `${path} cannot be read: ${reason}`, { cause: error })
  }
}

function notImportable(path: string, problem: string): SessionDbError {
  return new SessionDbError(
    'invalid',
    `${path} ${problem}. Nothing was imported. Fix the file, move it away to leave it out, ` +
      'or import what is readable with --salvage.',
    { details: { path } },
  )
}
