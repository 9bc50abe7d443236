import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../../errors.ts'
import type { RecordIssue, SnapshotFileName } from './import-report.ts'
import { type JsonElement, readJsonArray } from './json-array-file.ts'
import { JsonFileError } from './json-file-error.ts'
import { BadRecordError, type RecordFields, recordFields } from './record-fields.ts'
import { idOf } from './record-issues.ts'

/** The files, and what is told of their records. */
export interface RecordSource {
  readonly dataDir: string
  /** Takes what can be read of a file that breaks off or holds something that is not JSON. */
  readonly salvage: boolean
  onBadRecord?(issue: RecordIssue, bytes: Buffer): Promise<void>
  onNote?(issue: RecordIssue): void
  onBytes?(name: SnapshotFileName, done: number, total: number): void
}

/** Understands a record, which stands at this place of its file's array. */
export type ParseRecord<Parsed> = (fields: RecordFields, index: number) => Parsed

/** A record, and where it stands in its file. */
export interface ReadRecord<Parsed> {
  readonly record: Parsed
  readonly start: number
  readonly bytes: number
}

/** Records that were read together. */
export interface ReadRecords<Parsed> {
  readonly parsed: readonly ReadRecord<Parsed>[]
  /** All of the file so far, bad ones included. */
  readonly records: number
}

/**
 * Reads one of the files, some records at a time. A missing file has none.
 *
 * @throws SessionDbError `invalid`, naming file and position, when it is no JSON array in UTF-8.
 */
export async function* readRecords<Parsed extends object>(
  source: RecordSource,
  name: SnapshotFileName,
  parse: ParseRecord<Parsed>,
): AsyncGenerator<ReadRecords<Parsed>> {
  const path = join(source.dataDir, name)
  const total = await sizeOf(path)
  if (total === undefined) return
  let records = 0
  const onBytes = (done: number) => source.onBytes?.(name, done, total)
  try {
    for await (const elements of readJsonArray(path, { salvage: source.salvage, onBytes })) {
      const parsed: ReadRecord<Parsed>[] = []
      for (const element of elements) {
        records += 1
        try {
          const record = understand(name, element, source, parse)
          parsed.push({ record, start: element.start, bytes: element.bytes.length })
        } catch (error) {
          if (!(error instanceof BadRecordError)) throw error
          await source.onBadRecord?.(issueWith(name, element, error.message), element.bytes)
        }
      }
      yield { parsed, records }
    }
  } catch (error) {
    throw error instanceof JsonFileError ? notImportable(path, error.message) : error
  }
}

/** @throws BadRecordError when the record cannot be imported. */
function understand<Parsed>(
  file: SnapshotFileName,
  element: JsonElement,
  { onNote }: RecordSource,
  parse: ParseRecord<Parsed>,
): Parsed {
  let notes: string[] | undefined
  const note = (reason: string) => {
    notes ??= []
    notes.push(reason)
  }
  if (element.problem !== undefined) throw new BadRecordError(element.problem)
  const parsed = parse(recordFields(element.value, note), element.index)
  for (const reason of notes ?? []) onNote?.(issueWith(file, element, reason))
  return parsed
}

function issueWith(
  file: SnapshotFileName,
  { index, value }: JsonElement,
  reason: string,
): RecordIssue {
  return { file, index, id: idOf(value), reason }
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
