import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { SessionDbError } from '../../../writes/errors.ts'

const MAX_STREAM_BYTES = 64 * 1024 * 1024

/** A log that can be read as often as needed. */
export interface LogContent {
  readonly sha256: string
  readonly bytes: number
  /** Reads the log from its start; what was appended to the file since it was opened is left out. */
  read(): AsyncIterable<Uint8Array>
}

/**
 * Looks at a log for the first time: its size and its hash.
 *
 * @throws SessionDbError `too_large` for a stream of more than 64 MiB, which is held in memory.
 */
export async function openLogContent(
  log: { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> },
): Promise<LogContent> {
  if ('path' in log) {
    const { path } = log
    const measured = await measure(createReadStream(path))
    const end = measured.bytes - 1
    return { ...measured, read: () => (end < 0 ? nothing() : createReadStream(path, { end })) }
  }
  const chunks = await collect(log.stream)
  const read = async function* () {
    yield* chunks
  }
  return { ...(await measure(read())), read }
}

async function measure(
  content: AsyncIterable<Uint8Array>,
): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of content) {
    hash.update(chunk)
    bytes += chunk.byteLength
  }
  return { sha256: hash.digest('hex'), bytes }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.byteLength
    if (size > MAX_STREAM_BYTES) {
      const message = `The log is larger than ${MAX_STREAM_BYTES} bytes. Give it as a file.`
      throw new SessionDbError('too_large', message, { details: { limitBytes: MAX_STREAM_BYTES } })
    }
    chunks.push(chunk)
  }
  return chunks
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
