import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Tokenizer, TokenizerError, TokenType } from '@streamparser/json'
import { locateJsonError } from '../../server/http/json-text.ts'

/**
 * Reads a file that holds one JSON array, element by element.
 *
 * A tokenizer finds where each element begins and ends, and `JSON.parse` reads it: that keeps the
 * element's bytes, which the quarantine file needs, and keys such as `__proto__`. Salvaging a broken
 * file is a separate, simpler reader over the whole file in memory, because a tokenizer cannot
 * continue after an error.
 */

const CHUNK_BYTES = 256 * 1024
const MAX_ELEMENT_BYTES = 128 * 1024 * 1024
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const [QUOTE, COMMA, OPEN, BACKSLASH, CLOSE, BRACE_OPEN, BRACE_CLOSE] = Buffer.from('",[\\]{}')

/** A file that is not a readable JSON array. The message names the problem and its line. */
export class JsonFileError extends Error {
  override readonly name = 'JsonFileError'
}

/** One element of the array. */
export interface JsonElement {
  /** Index in the array, from 0. */
  readonly index: number
  readonly bytes: Buffer
  /** Offset of the first byte in the file. */
  readonly start: number
  readonly value: unknown
  /** Why the bytes could not be parsed; then `value` is undefined. Only with `salvage`. */
  readonly problem?: string
}

export interface ReadJsonArrayOptions {
  /**
   * Yields what is not valid JSON as an element with a `problem` instead of throwing. What remains of
   * a truncated file, or follows the array's end, is the last element.
   */
  readonly salvage?: boolean
  /** Bytes per read; 256 KiB by default. */
  readonly chunkBytes?: number
  /** Called with the number of bytes read so far. */
  readonly onBytes?: (done: number) => void
}

/**
 * Reads the elements of a JSON array, several at a time. Memory is bounded by the largest element, of
 * at most 128 MiB; with `salvage` the whole file is held in memory.
 *
 * @throws JsonFileError when the file cannot be read or is not a JSON array in UTF-8.
 */
export function readJsonArray(
  path: string,
  options: ReadJsonArrayOptions = {},
): AsyncGenerator<readonly JsonElement[]> {
  return options.salvage ? salvageElements(path, options) : streamElements(path, options)
}

async function* streamElements(
  path: string,
  { chunkBytes = CHUNK_BYTES, onBytes }: ReadJsonArrayOptions,
): AsyncGenerator<readonly JsonElement[]> {
  const boundaries = createBoundaries()
  let kept = Buffer.alloc(0)
  let later: Buffer[] = []
  let keptStart = 0
  let done = 0
  let index = 0
  for await (const chunk of readChunks(path, chunkBytes)) {
    const text = done === 0 ? withoutMark(chunk) : chunk
    if (done === 0) keptStart = chunk.length - text.length
    done += chunk.length
    later.push(text)
    const found = boundaries.write(text, keptStart)
    if (done - boundaries.keepFrom > MAX_ELEMENT_BYTES) {
      throw new JsonFileError(`holds a record of more than ${MAX_ELEMENT_BYTES} bytes`)
    }
    if (found.length > 0 || boundaries.error !== undefined) {
      // Joined only when an element has ended: one of many chunks is copied once.
      kept = Buffer.concat([kept, ...later])
      later = []
      const elements: JsonElement[] = []
      for (const { start, end } of found) {
        const bytes = kept.subarray(start - keptStart, end - keptStart)
        const parsed = parseElement(bytes)
        if ('not' in parsed) throw await notJson(path, parsed.not, start + parsed.offset)
        elements.push({ index, bytes, start, value: parsed.value })
        index += 1
      }
      yield elements
      kept = kept.subarray(boundaries.keepFrom - keptStart)
      keptStart = boundaries.keepFrom
      if (boundaries.error !== undefined) {
        throw await brokenAt(path, boundaries, Buffer.from(kept), keptStart)
      }
    }
    onBytes?.(done)
  }
  if (boundaries.place !== 'after') {
    throw await brokenAt(path, boundaries, Buffer.concat([kept, ...later]), keptStart)
  }
}

function withoutMark(chunk: Buffer): Buffer {
  return chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? chunk.subarray(3) : chunk
}

interface Boundaries {
  /** Returns where elements that end in this chunk begin and end, as offsets in the file. */
  write(chunk: Buffer, firstByte: number): readonly { start: number; end: number }[]
  readonly place: 'before' | 'inside' | 'after'
  /** Where the current element begins, or the last one ended. */
  readonly keepFrom: number
  readonly error: Error | undefined
}

/** Finds the elements of a top-level array in a stream of bytes. */
function createBoundaries(): Boundaries {
  const tokenizer = new Tokenizer()
  let place: Boundaries['place'] = 'before'
  let depth = 0
  let base: number | undefined
  let keepFrom = 0
  let elementStart: number | undefined
  let error: Error | undefined
  let found: { start: number; end: number }[] = []
  let isFirst = true

  tokenizer.onError = (problem) => {
    error ??= problem
  }
  tokenizer.onToken = ({ token, offset: relative }) => {
    if (error !== undefined) return
    const offset = relative + (base ?? 0)
    const opens = token === TokenType.LEFT_BRACE || token === TokenType.LEFT_BRACKET
    const closes = token === TokenType.RIGHT_BRACE || token === TokenType.RIGHT_BRACKET
    if (place !== 'inside') {
      if (place === 'after' || token !== TokenType.LEFT_BRACKET) {
        error = new TokenizerError('outside of the array')
        return
      }
      place = 'inside'
      keepFrom = offset + 1
    } else if (depth === 0 && (token === TokenType.COMMA || token === TokenType.RIGHT_BRACKET)) {
      const isEmptyArray = token === TokenType.RIGHT_BRACKET && isFirst
      if (elementStart !== undefined) found.push({ start: elementStart, end: offset })
      else if (!isEmptyArray) {
        error = new TokenizerError('an element is missing')
        return
      }
      isFirst = false
      elementStart = undefined
      keepFrom = offset + 1
      if (token === TokenType.RIGHT_BRACKET) place = 'after'
    } else {
      if (elementStart === undefined) {
        elementStart = offset
        keepFrom = offset
      }
      if (opens) depth += 1
      if (closes) depth -= 1
      if (depth < 0) error = new TokenizerError('a bracket closes nothing')
    }
  }

  return {
    write(chunk, firstByte) {
      base ??= firstByte
      found = []
      tokenizer.write(chunk)
      return found
    },
    get place() {
      return place
    },
    get keepFrom() {
      return keepFrom
    },
    get error() {
      return error
    },
  }
}

/** The error for a file that stops being an array within or after `rest`, which is as far as it was read. */
async function brokenAt(
  path: string,
  { place, error }: Boundaries,
  rest: Buffer,
  restStart: number,
): Promise<JsonFileError> {
  const space = skipSpace(rest, 0)
  if (place === 'before' && space < rest.length) {
    const where = await positionIn(path, restStart + space)
    return new JsonFileError(`must hold a JSON array, but something else begins at ${where}`)
  }
  if (place === 'after') return notJson(path, 'JSON', restStart + space)
  // Bytes that cannot be decoded: not an error of JSON but of the encoding.
  if (error !== undefined && !(error instanceof TokenizerError)) {
    return notJson(path, 'UTF-8', restStart + space)
  }
  const text = rest.toString('utf8')
  const before = text.slice(0, space + locateJsonError(text.slice(space)))
  return notJson(path, 'JSON', restStart + Buffer.byteLength(before))
}

async function notJson(path: string, what: string, offset: number): Promise<JsonFileError> {
  return new JsonFileError(`is not valid ${what} at ${await positionIn(path, offset)}`)
}

async function positionIn(path: string, offset: number): Promise<string> {
  const position = createPosition()
  if (offset > 0) {
    for await (const chunk of createReadStream(path, { end: offset - 1 })) position.advance(chunk)
  }
  return position.text()
}

async function* salvageElements(
  path: string,
  { onBytes }: ReadJsonArrayOptions,
): AsyncGenerator<readonly JsonElement[]> {
  const bytes = await readFile(path).catch((error) => {
    throw unreadable(error)
  })
  const position = createPosition()
  let counted = 0
  const problemAt = (what: string, offset: number) => {
    position.advance(bytes.subarray(counted, offset))
    counted = offset
    return `is not valid ${what} at ${position.text()}`
  }
  let index = 0
  for (const { start, end, isRest } of elementsIn(bytes)) {
    const element = { index, start, bytes: bytes.subarray(start, end) }
    const parsed = parseElement(element.bytes)
    index += 1
    let problem: string | undefined
    if (isRest === 'stray') problem = problemAt('JSON', start)
    else if ('not' in parsed) problem = problemAt(parsed.not, start + parsed.offset)
    else if (isRest === 'cut off') problem = problemAt('JSON', end)
    const value = 'not' in parsed ? undefined : parsed.value
    yield [
      problem === undefined ? { ...element, value } : { ...element, value: undefined, problem },
    ]
    onBytes?.(end)
  }
}

interface Stretch {
  readonly start: number
  readonly end: number
  /** Set for the rest of the file: a truncated element, or bytes that cannot be in an array. */
  readonly isRest?: 'cut off' | 'stray'
}

/** Splits an array into its elements by brackets and strings only. */
function* elementsIn(bytes: Buffer): Generator<Stretch> {
  const { length } = bytes
  const begin = skipSpace(bytes, withoutMark(bytes) === bytes ? 0 : 3)
  if (begin === length) {
    yield { start: begin, end: length, isRest: 'cut off' }
    return
  }
  if (bytes[begin] !== OPEN) {
    const where = placeOf(bytes, begin)
    throw new JsonFileError(`must hold a JSON array, but something else begins at ${where}`)
  }
  let at = skipSpace(bytes, begin + 1)
  let isOver = bytes[at] === CLOSE
  if (isOver) at = skipSpace(bytes, at + 1)
  while (!isOver) {
    if (at === length || bytes[at] === COMMA || bytes[at] === CLOSE) {
      yield { start: at, end: length, isRest: at === length ? 'cut off' : 'stray' }
      return
    }
    const end = endOfElement(bytes, at)
    yield { start: at, end, ...(end === length && { isRest: 'cut off' }) }
    if (end === length) return
    isOver = bytes[end] === CLOSE
    at = skipSpace(bytes, end + 1)
  }
  if (at < length) yield { start: at, end: length, isRest: 'stray' }
}

/** The offset of the comma or bracket after an element, or the end of the bytes. */
function endOfElement(bytes: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = endOfString(bytes, at)
    else if (byte === OPEN || byte === BRACE_OPEN) depth += 1
    else if (depth === 0 && (byte === COMMA || byte === CLOSE)) return at
    else if (depth > 0 && (byte === CLOSE || byte === BRACE_CLOSE)) depth -= 1
  }
  return bytes.length
}

function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at += 1
    else if (bytes[at] === QUOTE) return at
  }
  return bytes.length
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && ' \n\r\t'.includes(String.fromCharCode(bytes[at] as number))) at += 1
  return at
}

function parseElement(
  bytes: Buffer,
): { readonly value: unknown } | { readonly not: 'JSON' | 'UTF-8'; readonly offset: number } {
  if (!isUtf8(bytes)) return { not: 'UTF-8', offset: 0 }
  const text = bytes.toString('utf8')
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { not: 'JSON', offset: Buffer.byteLength(text.slice(0, locateJsonError(text))) }
  }
}

function placeOf(bytes: Buffer, offset: number): string {
  const position = createPosition()
  position.advance(bytes.subarray(0, offset))
  return position.text()
}

/** Counts lines and columns (characters, from 1) over consecutive bytes. */
function createPosition() {
  let line = 1
  let column = 1
  return {
    advance(bytes: Buffer) {
      for (const byte of bytes) {
        if (byte === 0x0a) {
          line += 1
          column = 1
        } else if ((byte & 0xc0) !== 0x80) column += 1
      }
    },
    text: () => `line ${line}, column ${column}`,
  }
}

async function* readChunks(path: string, chunkBytes: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>
  } catch (error) {
    throw unreadable(error)
  }
}

function unreadable(error: unknown): JsonFileError {
  return new JsonFileError(
    `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
  )
}
