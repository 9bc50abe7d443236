import type { SnapshotFileName } from './import-report.ts'
import type { LegacyMessage } from './legacy-records.ts'
import { parseMessage, parseToolEvent } from './parse-message.ts'
import { type ReadRecords, type RecordSource, readRecords } from './read-records.ts'

/** Messages or tool events that were read together. */
export interface ReadMessages extends ReadRecords<LegacyMessage> {
  readonly name: SnapshotFileName
  /** What the place in its file's array is added to for the place in all files together. */
  readonly before: number
}

/** The files that hold messages, in the order in which they are read, and what understands theirs. */
export const messageFiles = [
  ['chat-messages.json', parseMessage],
  ['chat-tool-events.json', parseToolEvent],
] as const

/**
 * Reads messages, then tool events: the same, in the same places, each time.
 *
 * @throws SessionDbError `invalid`, naming file and position, when one is no JSON array in UTF-8.
 */
export async function* readMessages(source: RecordSource): AsyncGenerator<ReadMessages> {
  let before = 0
  for (const [name, parse] of messageFiles) {
    let count = 0
    for await (const read of readRecords(source, name, inTurn(parse))) {
      count = read.records
      yield { ...read, name, before }
    }
    before += count
  }
}

/** Understands messages in turn: one without a time takes that of the one before. */
function inTurn(parse: typeof parseMessage) {
  let previousTime = new Date(0)
  return (fields: Parameters<typeof parse>[0], index: number): LegacyMessage => {
    const message = parse(fields, index, previousTime)
    previousTime = message.createdAt
    return message
  }
}
