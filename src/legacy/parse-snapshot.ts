import type { RecordIssue, SnapshotFileName } from './import-report.ts'
import type { LegacyMessage, LegacyRecords } from './legacy-records.ts'
import { parseMessage, parseToolEvent } from './parse-message.ts'
import { parseThread } from './parse-thread.ts'
import type { SnapshotFile } from './read-snapshot-file.ts'
import { BadRecordError, type RecordFields, recordFields } from './record-fields.ts'

/** The files of a data directory. */
export interface SnapshotFiles {
  readonly threads: SnapshotFile
  readonly messages: SnapshotFile
  readonly toolEvents: SnapshotFile
}

/** What the files say, and what they say that could not be understood or had to be changed. */
export interface ParsedSnapshot extends LegacyRecords {
  readonly badRecords: readonly RecordIssue[]
  readonly notes: readonly RecordIssue[]
}

/** Understands every record of the files; none is passed over in silence. */
export function parseSnapshot(files: SnapshotFiles): ParsedSnapshot {
  const badRecords: RecordIssue[] = []
  const notes: RecordIssue[] = []
  const issues = { badRecords, notes }
  const threads = parseRecords(files.threads, issues, parseThread)
  const messages = parseRecords(files.messages, issues, inOrder(parseMessage))
  const toolEvents = parseRecords(files.toolEvents, issues, inOrder(parseToolEvent))
  return {
    threads: withoutRepeats('chat-threads.json', threads, issues),
    messages: [
      ...withoutRepeats('chat-messages.json', messages, issues),
      ...withoutRepeats('chat-tool-events.json', toolEvents, issues),
    ],
    badRecords,
    notes,
  }
}

interface Issues {
  readonly badRecords: RecordIssue[]
  readonly notes: RecordIssue[]
}

function parseRecords<Parsed>(
  { name: file, records }: SnapshotFile,
  { badRecords, notes }: Issues,
  parse: (fields: RecordFields, index: number) => Parsed,
): Parsed[] {
  return records.flatMap((record, index) => {
    const issue = (reason: string): RecordIssue => ({ file, index, id: idOf(record), reason })
    const noted: RecordIssue[] = []
    try {
      const parsed = parse(
        recordFields(record, (reason) => noted.push(issue(reason))),
        index,
      )
      notes.push(...noted)
      return [parsed]
    } catch (error) {
      if (!(error instanceof BadRecordError)) throw error
      badRecords.push(issue(error.message))
      return []
    }
  })
}

function idOf(record: unknown): string | null {
  if (typeof record !== 'object' || record === null || !('id' in record)) return null
  return typeof record.id === 'string' ? record.id : null
}

/** Hands each record the time of the one before it. */
function inOrder(
  parse: (fields: RecordFields, index: number, previousTime: Date) => LegacyMessage,
): (fields: RecordFields, index: number) => LegacyMessage {
  let previousTime = new Date(0)
  return (fields, index) => {
    const message = parse(fields, index, previousTime)
    previousTime = message.createdAt
    return message
  }
}

/** An id that comes again in the same file: the same once more is noted, something else is bad. */
function withoutRepeats<Item extends { readonly index: number; readonly id: string }>(
  file: SnapshotFileName,
  items: readonly Item[],
  { badRecords, notes }: Issues,
): Item[] {
  const first = new Map<string, Item>()
  for (const item of items) {
    const known = first.get(item.id)
    if (known === undefined) {
      first.set(item.id, item)
      continue
    }
    const { index, id } = item
    const isSame = JSON.stringify({ ...item, index: 0 }) === JSON.stringify({ ...known, index: 0 })
    if (isSame) notes.push({ file, index, id, reason: `repeats record ${known.index}` })
    else badRecords.push({ file, index, id, reason: `has the id of record ${known.index}` })
  }
  return [...first.values()]
}
