import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { locateJsonError } from '../server/json-error-position.ts'
import { filePosition } from './file-position.ts'

const MAX_ELEMENT_BYTES = 128 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

/** One element of the array, with the bytes it was read from. */
export interface JsonElement {
  /** Place in the array, from 0. */
  readonly index: number
  readonly bytes: Buffer
  readonly value: unknown
  /** Why the bytes are no value; then `value` is undefined. */
  readonly problem?: string
}

/** A file that cannot be read on; the message says what is wrong, and where. */
export class JsonFileError extends Error {
  override readonly name = 'JsonFileError'
}

/**
 * Reads a file that holds one JSON array, element by element. Memory is bounded by the largest
 * element, of at most 128 MiB.
 *
 * Elements are told apart by their brackets and parsed by `JSON.parse`. A streaming parser would
 * give values without the bytes they came from, and those are what a quarantine file must hold; it
 * would take twice the time, too.
 *
 * @param salvage yields what is not JSON as an element with a problem instead of throwing, and the
 * rest of a file that breaks off as the last one.
 * @param onBytes hears how far into the file the reading has come.
 * @returns elements, some at a time: one asynchronous step per element would cost more than parsing.
 * @throws JsonFileError when the file is no JSON array in UTF-8.
 */
export async function* readJsonArray(
  path: string,
  { salvage = false, onBytes }: { salvage?: boolean; onBytes?: (done: number) => void } = {},
): AsyncGenerator<readonly JsonElement[]> {
  const scanner = createScanner()
  let index = 0
  let offset = 0
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const elements: JsonElement[] = []
    for (const found of scanner.scan(chunk as Buffer)) {
      const parsed = parseElement(found)
      elements.push(
        'value' in parsed
          ? { index, bytes: found.bytes, value: parsed.value }
          : await unparsed(path, index, found, parsed, salvage),
      )
      index += 1
    }
    yield elements
    if (scanner.wrong !== undefined) throw await outsideError(path, scanner.wrong)
    offset += (chunk as Buffer).length
    onBytes?.(offset)
  }
  const rest = scanner.end()
  if (rest === undefined) return
  const failure =
    rest.bytes.length > 0
      ? parseElement({ ...rest, cut: true })
      : ({ not: 'JSON', offset } as const)
  if ('not' in failure) yield [await unparsed(path, index, rest, failure, salvage)]
}

async function unparsed(
  path: string,
  index: number,
  { bytes }: FoundElement,
  { not, offset }: NotParsed,
  salvage: boolean,
): Promise<JsonElement> {
  const problem = `is not ${not} from ${await filePosition(path, offset)} on`
  if (!salvage) throw new JsonFileError(problem)
  return { index, bytes, value: undefined, problem }
}

interface NotParsed {
  readonly not: 'JSON' | 'UTF-8'
  readonly offset: number
}

interface FoundElement {
  readonly bytes: Buffer
  /** Where it begins in the file. */
  readonly start: number
  /** The file ended before the element did. */
  readonly cut?: boolean
}

function parseElement({
  bytes,
  start,
  cut,
}: FoundElement): { readonly value: unknown } | NotParsed {
  if (!isUtf8(bytes)) return { not: 'UTF-8', offset: start }
  const text = bytes.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    return cut ? { not: 'JSON', offset: start + bytes.length } : { value }
  } catch {
    const before = text.slice(0, locateJsonError(text))
    return { not: 'JSON', offset: start + Buffer.byteLength(before) }
  }
}

interface WrongByte {
  readonly offset: number
  readonly beforeArray: boolean
}

async function outsideError(path: string, { offset, beforeArray }: WrongByte): Promise<Error> {
  const position = await filePosition(path, offset)
  return new JsonFileError(
    beforeArray
      ? `must hold a JSON array, but ${position} begins something else`
      : `is not JSON from ${position} on`,
  )
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN = 0x5b
const BACKSLASH = 0x5c
const CLOSE = 0x5d
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Finds where the elements of a top-level array begin and end, in chunks of any size. */
function createScanner() {
  let place: 'before' | 'first' | 'next' | 'inside' | 'after' = 'before'
  let depth = 0
  let inString = false
  let escaped = false
  let offset = 0
  let elementStart = 0
  let pieces: Buffer[] = []
  let size = 0
  let wrong: WrongByte | undefined

  const keep = (piece: Buffer) => {
    pieces.push(piece)
    size += piece.length
    if (size > MAX_ELEMENT_BYTES) {
      throw new JsonFileError(`holds a record of more than ${MAX_ELEMENT_BYTES} bytes`)
    }
  }
  const take = (): Buffer => {
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    pieces = []
    size = 0
    return bytes
  }

  function* scan(chunk: Buffer): Generator<FoundElement> {
    let begin = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (place === 'inside') {
        if (inString) {
          at = stringEnd(chunk, at)
        } else if (byte === QUOTE) inString = true
        else if (byte === BRACE_OPEN || byte === OPEN) depth += 1
        else if (depth > 0) {
          if (byte === BRACE_CLOSE || byte === CLOSE) depth -= 1
        } else if (byte === COMMA || byte === CLOSE) {
          keep(chunk.subarray(begin, at))
          place = byte === COMMA ? 'next' : 'after'
          yield { bytes: take(), start: elementStart }
        }
      } else if (!isSpace(byte) && !isMark(chunk, at)) {
        if (place === 'before' && byte === OPEN) place = 'first'
        else if (place === 'first' && byte === CLOSE) place = 'after'
        else if (place === 'first' || (place === 'next' && byte !== COMMA && byte !== CLOSE)) {
          place = 'inside'
          begin = at
          elementStart = offset + at
          depth = byte === BRACE_OPEN || byte === OPEN ? 1 : 0
          inString = byte === QUOTE
        } else {
          wrong = { offset: offset + at, beforeArray: place === 'before' }
          return
        }
      }
    }
    if (place === 'inside') keep(chunk.subarray(begin))
    offset += chunk.length
  }

  /** Goes on in a string: where it ends, or the last byte of the chunk. */
  const stringEnd = (chunk: Buffer, from: number): number => {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]
      if (escaped) escaped = false
      else if (byte === BACKSLASH) escaped = true
      else if (byte === QUOTE) {
        inString = false
        return at
      }
    }
    return chunk.length - 1
  }

  /** A byte order mark at the start of the file. */
  const isMark = (chunk: Buffer, at: number) =>
    place === 'before' && offset + at < 3 && chunk[at] === [0xef, 0xbb, 0xbf][offset + at]

  return {
    scan,
    get wrong() {
      return wrong
    },
    /** What is left of a file that ended too early; undefined when it is whole. */
    end: (): FoundElement | undefined =>
      place === 'after' ? undefined : { bytes: take(), start: elementStart },
  }
}
