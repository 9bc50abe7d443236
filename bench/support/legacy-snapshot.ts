import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Size of the generated snapshot. */
export interface SnapshotSize {
  readonly messages: number
  readonly threads: number
  /** Messages have 1 to this many lines of 79 characters, in turn. */
  readonly lines: number
}

/** Writes `chat-threads.json` and `chat-messages.json` as the old app formats them. */
export async function writeLegacySnapshot(
  directory: string,
  { messages, threads, lines }: SnapshotSize,
): Promise<void> {
  await writeFile(
    join(directory, 'chat-threads.json'),
    JSON.stringify(
      Array.from({ length: threads }, (_, n) => ({
        ...{ id: `thread_${n}`, sessionId: `session-${n % 100}`, mode: 'session', title: `T ${n}` },
        ...{ status: 'archived', messageCount: 0, createdAt: time(n), updatedAt: time(n) },
      })),
    ),
  )
  const out = createWriteStream(join(directory, 'chat-messages.json'))
  const line = 'Looking at the context, there is no such event.\n\n1. [user] Please summarise.\n'
  out.write('[\n')
  for (let n = 0; n < messages; n++) {
    const thread = (n * 31) % threads
    const number = String((n * 7_919) % messages).padStart(9, '0')
    const record = {
      id: `chat_${number}-4b1d-4c5e-8f00-0123456789ab`,
      ...{ sessionId: `session-${thread % 100}`, mode: 'session', threadId: `thread_${thread}` },
      ...{ role: n % 2 ? 'user' : 'assistant', content: line.repeat(1 + (n % lines)) + n },
      ...(n % 2 && { clientMessageId: `client-${n}` }),
      ...{ createdAt: time(n), updatedAt: time(n) },
    }
    const text = `${n > 0 ? ',\n' : ''}${JSON.stringify(record, null, 2)}`
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end('\n]\n')
  await once(out, 'close')
}

function time(n: number): string {
  return new Date(1.75e12 + n * 1_000).toISOString()
}
