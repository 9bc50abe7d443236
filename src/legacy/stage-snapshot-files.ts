import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { SessionDbError } from '../errors.ts'
import type { RecordIssue, SnapshotFileName, SnapshotFileReport } from './import-report.ts'
import { type JsonElement, readJsonArray } from './json-array-file.ts'
import { JsonFileError } from './json-file-error.ts'
import type { LegacyMessage } from './legacy-records.ts'
import { parseMessage, parseToolEvent } from './parse-message.ts'
import { parseThread } from './parse-thread.ts'
import { BadRecordError, type RecordFields, recordFields } from './record-fields.ts'
import { idOf } from './record-issues.ts'
import { messageCopy, messageLine, threadCopy, threadLine } from './staging-tables.ts'

/** What reading the files is told, and tells. */
export interface StageOptions {
  readonly dataDir: string
  /** Takes what can be read of a file that breaks off or holds something that is not JSON. */
  readonly salvage: boolean
  onBadRecord(issue: RecordIssue, bytes: Buffer): Promise<void>
  onNote(issue: RecordIssue): void
  onBytes(name: SnapshotFileName, done: number, total: number): void
}

/**
 * Reads the files into the staging tables, record by record.
 *
 * @throws SessionDbError `invalid`, naming file and position, when one is no JSON array in UTF-8.
 */
export async function stageSnapshotFiles(
  client: ClientBase,
  options: StageOptions,
): Promise<SnapshotFileReport[]> {
  let n = 0
  const messages = (parse: typeof parseMessage) => {
    let previousTime = new Date(0)
    return (fields: RecordFields, index: number): string => {
      const message: LegacyMessage = parse(fields, index, previousTime)
      previousTime = message.createdAt
      return messageLine(message, n++)
    }
  }
  const threads = (fields: RecordFields, index: number) => threadLine(parseThread(fields, index))
  return [
    await stageFile(client, options, 'chat-threads.json', threadCopy, threads),
    await stageFile(client, options, 'chat-messages.json', messageCopy, messages(parseMessage)),
    await stageFile(
      client,
      options,
      'chat-tool-events.json',
      messageCopy,
      messages(parseToolEvent),
    ),
  ]
}

async function stageFile(
  client: ClientBase,
  options: StageOptions,
  name: SnapshotFileName,
  copy: string,
  toLine: (fields: RecordFields, index: number) => string,
): Promise<SnapshotFileReport> {
  const path = join(options.dataDir, name)
  const total = await sizeOf(path)
  if (total === undefined) return { name, path, found: false, records: 0 }
  let records = 0
  const lines = async function* () {
    const chunks = readJsonArray(path, {
      salvage: options.salvage,
      onBytes: (done) => options.onBytes(name, done, total),
    })
    for await (const elements of chunks) {
      let text = ''
      for (const element of elements) {
        records += 1
        const understood = understand(name, element, options, toLine)
        if (typeof understood === 'string') text += understood
        else await options.onBadRecord(understood, element.bytes)
      }
      if (text !== '') yield Buffer.from(text)
    }
  }
  try {
    await pipeline(
      Readable.from(lines(), { objectMode: true, highWaterMark: 2 }),
      client.query(copyFrom(copy)),
    )
  } catch (error) {
    throw error instanceof JsonFileError ? notImportable(path, error.message) : error
  }
  return { name, path, found: true, records }
}

/** The record's line for COPY, or why it is bad. */
function understand(
  file: SnapshotFileName,
  { index, value, problem }: JsonElement,
  { onNote }: StageOptions,
  toLine: (fields: RecordFields, index: number) => string,
): string | RecordIssue {
  const issue = (reason: string): RecordIssue => ({ file, index, id: idOf(value), reason })
  let notes: string[] | undefined
  const note = (reason: string) => {
    notes ??= []
    notes.push(reason)
  }
  try {
    if (problem !== undefined) throw new BadRecordError(problem)
    const line = toLine(recordFields(value, note), index)
    for (const reason of notes ?? []) onNote(issue(reason))
    return line
  } catch (error) {
    if (error instanceof BadRecordError) return issue(error.message)
    throw error
  }
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
    `${path} ${problem}. Nothing was imported. Mend the file, move it away to leave it out, ` +
      'or salvage what can be read of it (--salvage).',
    { details: { path } },
  )
}
