import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClientBase } from 'pg'
import { previewOf } from '../../schema/preview.ts'
import type { parseMessage } from './parse-message.ts'
import { messageFiles } from './read-messages.ts'
import { recordFields } from './record-fields.ts'
import { fileNumbers } from './staging-tables.ts'

const THREADS_PER_STATEMENT = 1_000

/** Where the last message of a thread stands in its file. */
interface LastMessage {
  readonly thread: string
  readonly start: string
  readonly bytes: number
}

/**
 * Reads the last message of every thread that gets some, where it stands in its file, for the
 * threads' previews: threads are inserted before their messages.
 */
export async function readPreviews(client: ClientBase, dataDir: string): Promise<void> {
  await client.query(
    'CREATE TEMP TABLE legacy_previews (thread_id text, preview text) ON COMMIT DROP',
  )
  for (const [name, parse] of messageFiles) {
    const { rows } = await client.query<LastMessage>(
      'SELECT thread_id AS thread, start, bytes FROM legacy_added WHERE file = $1 ORDER BY start',
      [fileNumbers[name]],
    )
    if (rows.length > 0) await previewsOf(client, join(dataDir, name), parse, rows)
  }
  await client.query('ANALYZE legacy_previews')
}

async function previewsOf(
  client: ClientBase,
  path: string,
  parse: typeof parseMessage,
  messages: readonly LastMessage[],
): Promise<void> {
  const file = await open(path)
  try {
    for (let from = 0; from < messages.length; from += THREADS_PER_STATEMENT) {
      const previews: { thread: string; preview: string }[] = []
      for (const message of messages.slice(from, from + THREADS_PER_STATEMENT)) {
        const fields = recordFields(await readRecord(file, message), () => undefined)
        const { content } = parse(fields, 0, new Date(0))
        previews.push({ thread: message.thread, preview: previewOf(content) })
      }
      await client.query(
        `INSERT INTO legacy_previews
         SELECT * FROM json_to_recordset($1::json) AS r(thread text, preview text)`,
        [JSON.stringify(previews)],
      )
    }
  } finally {
    await file.close()
  }
}

async function readRecord(file: FileHandle, { start, bytes }: LastMessage): Promise<unknown> {
  const buffer = Buffer.alloc(bytes)
  await file.read(buffer, 0, bytes, Number(start))
  return JSON.parse(buffer.toString('utf8'))
}
