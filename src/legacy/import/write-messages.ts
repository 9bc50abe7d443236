import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { copyLine } from '../../server/copy-text.ts'
import type { ImportOwner } from './import-owner.ts'
import type { LegacyMessage } from './legacy-records.ts'
import { packPlaces, readPlaces, type StretchPlaces, stretchOf } from './message-places.ts'
import { readMessages } from './read-messages.ts'
import type { RecordSource } from './read-records.ts'
import { recordTimes } from './record-times.ts'
import { createSortedLines } from './sorted-lines.ts'

/** Larger ones are no faster, and memory holds three: one sorted, one sent, one to come. */
const BATCH_BYTES = 4 * 1024 * 1024

const COPY = `COPY chat_messages (id, role, content, parts, client_message_id, metadata, created_at,
  updated_at, tenant_id, author_id, thread_id, session_id, position) FROM STDIN`

/**
 * Reads the files a second time, and writes the messages that have a place. Postgres takes in one
 * batch while the next one is read.
 *
 * @param onMessages hears how many of the messages have been written so far.
 */
export async function writeMessages(
  client: ClientBase,
  owner: ImportOwner,
  { dataDir, salvage }: RecordSource,
  onMessages: (done: number) => void,
): Promise<void> {
  const threads = await packPlaces(client)
  const batches = createBatches(client, onMessages)
  let places = await readPlaces(client, 0)
  let ahead: StretchPlaces | undefined
  // Asked for between two batches: while the connection takes one in, it answers nothing.
  const readAhead = async () => {
    ahead ??= await readPlaces(client, places.stretch + 1)
  }
  for await (const { parsed, before } of readMessages({ dataDir, salvage })) {
    for (const { record: message } of parsed) {
      const { stretch, at } = stretchOf(before + message.index)
      if (stretch !== places.stretch) {
        await batches.send(readAhead)
        places = ahead?.stretch === stretch ? ahead : await readPlaces(client, stretch)
        ahead = undefined
      }
      const number = places.threads[at] as number
      const thread = threads.get(number)
      if (thread === undefined) continue
      const position = places.positions[at] as number
      const ends = [owner.tenantId, owner.userId, thread.id, thread.sessionId, position]
      const line = copyLine([...messageValues(message), ...ends])
      if (batches.areFullFor(line.length)) await batches.send(readAhead)
      batches.add(number, position, line)
    }
  }
  await batches.end()
}

function messageValues(message: LegacyMessage): (string | null)[] {
  const { id, role, content, parts, clientMessageId, metadata } = message
  const given = [id, role, content, JSON.stringify(parts), clientMessageId]
  return [...given, JSON.stringify(metadata), ...recordTimes(message)]
}

/** Lines on their way into the table, those of a thread together: it is looked up for each of them. */
function createBatches(client: ClientBase, onMessages: (done: number) => void) {
  const lines = createSortedLines(BATCH_BYTES)
  let sent = 0
  let sending = Promise.resolve()
  const copy = async (batch: Buffer, count: number) => {
    await pipeline(Readable.from([batch]), client.query(copyFrom(COPY)))
    sent += count
    onMessages(sent)
  }
  /** Waits for the batch before, then for `between`, and sends what there is. */
  const send = async (between?: () => Promise<void>) => {
    const { count } = lines
    const batch = lines.take()
    await sending
    await between?.()
    sending = copy(batch, count)
    // What it throws is thrown where it is waited for, unless reading fails before.
    sending.catch(() => undefined)
  }
  return {
    add: lines.add,
    areFullFor: lines.isFullFor,
    send,
    async end() {
      await send()
      await sending
    },
  }
}
