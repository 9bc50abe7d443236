import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { SnapshotFileName, SnapshotFileReport } from './import-report.ts'
import { parseThread } from './parse-thread.ts'
import { readMessages } from './read-messages.ts'
import { type RecordSource, readRecords } from './read-records.ts'
import { fileNumbers, messageCopy, messageLine, threadCopy, threadLine } from './staging-tables.ts'

/**
 * Reads the files into the staging tables, record by record.
 *
 * @throws SessionDbError `invalid`, naming file and position, when one is no JSON array in UTF-8.
 */
export async function stageSnapshotFiles(
  client: ClientBase,
  source: RecordSource,
): Promise<SnapshotFileReport[]> {
  const counts = new Map<string, number>()
  const threadLines = async function* () {
    for await (const { parsed, records } of readRecords(source, 'chat-threads.json', parseThread)) {
      counts.set('chat-threads.json', records)
      yield parsed.map(({ record }) => threadLine(record))
    }
  }
  const messageLines = async function* () {
    for await (const { parsed, records, name, before } of readMessages(source)) {
      counts.set(name, records)
      yield parsed.map((read) => messageLine(read, before + read.record.index))
    }
  }
  await stage(client, threadCopy, threadLines())
  await stage(client, messageCopy, messageLines())
  return Object.keys(fileNumbers).map((name) => ({
    name: name as SnapshotFileName,
    path: join(source.dataDir, name),
    found: counts.has(name),
    records: counts.get(name) ?? 0,
  }))
}

async function stage(
  client: ClientBase,
  copy: string,
  lines: AsyncIterable<readonly string[]>,
): Promise<void> {
  const buffers = async function* () {
    for await (const some of lines) if (some.length > 0) yield Buffer.from(some.join(''))
  }
  await pipeline(
    Readable.from(buffers(), { objectMode: true, highWaterMark: 2 }),
    client.query(copyFrom(copy)),
  )
}
