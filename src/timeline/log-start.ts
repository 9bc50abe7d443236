import { readJsonLine } from './json-line.ts'
import { createLineSplitter, MAX_LINE_LENGTH } from './log-lines.ts'
import type { LogStart } from './timeline-parser.ts'

const START_BYTES = 256 * 1024
const START_VALUES = 20
/** A chunk is read in slices of this size, so that a large one does not become one long text. */
const SLICE_BYTES = 64 * 1024

/** The first chunks of a log, and all of its chunks. */
export interface OpenedLog {
  readonly start: LogStart
  /** The log from its beginning, in slices of at most 64 KiB. */
  readonly slices: AsyncIterable<Uint8Array>
}

/** Reads as much of a log as its format is told by. */
export async function openLog(bytes: AsyncIterable<Uint8Array>): Promise<OpenedLog> {
  const chunks = bytes[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let size = 0
  let done = false
  while (size < START_BYTES && !done) {
    const next = await chunks.next()
    if (next.done) {
      done = true
    } else {
      head.push(next.value)
      size += next.value.byteLength
    }
  }
  return {
    start: logStart(Buffer.concat(head).subarray(0, START_BYTES), done && size <= START_BYTES),
    slices: inSlices(head, chunks),
  }
}

function logStart(bytes: Uint8Array, isWhole: boolean): LogStart {
  const splitter = createLineSplitter('cut', MAX_LINE_LENGTH)
  const lines = splitter.write(bytes)
  if (isWhole) lines.push(...splitter.end())
  const values: unknown[] = []
  for (const { text } of lines) {
    if (values.length >= START_VALUES) break
    for (const part of readJsonLine(text)) if ('value' in part) values.push(part.value)
  }
  return { text: new TextDecoder().decode(bytes), values }
}

async function* inSlices(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (const chunk of head) yield* slicesOf(chunk)
    for (let next = await rest.next(); !next.done; next = await rest.next()) {
      yield* slicesOf(next.value)
    }
  } finally {
    await rest.return?.()
  }
}

function* slicesOf(chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) {
    yield chunk.subarray(at, at + SLICE_BYTES)
  }
}
