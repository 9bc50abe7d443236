import { JsonFileError } from './json-file-error.ts'

const MAX_ELEMENT_BYTES = 128 * 1024 * 1024

export interface FoundElement {
  readonly bytes: Buffer
  /** Where it begins in the file. */
  readonly start: number
  /** All that follows a byte that no array has there. */
  readonly stray?: boolean
}

export interface WrongByte {
  readonly offset: number
  readonly beforeArray: boolean
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

/** Whether what stands there, in a string, ends in a backslash that escapes the next byte. */
function endsInBackslash(chunk: Buffer, start: number, end: number): boolean {
  let first = end
  while (first > start && chunk[first - 1] === BACKSLASH) first -= 1
  return (end - first) % 2 === 1
}

/** Finds where the elements of a top-level array begin and end, in chunks of any size. */
export function createScanner(salvage: boolean) {
  let place: 'before' | 'first' | 'next' | 'inside' | 'after' | 'stray' = 'before'
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
    for (let at = 0; at < chunk.length && place !== 'stray'; at++) {
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
        } else if (salvage && place !== 'before') {
          place = 'stray'
          begin = at
          elementStart = offset + at
        } else {
          wrong = { offset: offset + at, beforeArray: place === 'before' }
          return
        }
      }
    }
    if (place === 'inside' || place === 'stray') keep(chunk.subarray(begin))
    offset += chunk.length
  }

  /** Goes on in a string: where it ends, or the last byte of the chunk. */
  const stringEnd = (chunk: Buffer, from: number): number => {
    let start = escaped ? from + 1 : from
    escaped = false
    for (;;) {
      const quote = chunk.indexOf(QUOTE, start)
      const end = quote === -1 ? chunk.length : quote
      const isEscaped = endsInBackslash(chunk, start, end)
      if (quote === -1) {
        escaped = isEscaped
        return chunk.length - 1
      }
      if (!isEscaped) {
        inString = false
        return quote
      }
      start = quote + 1
    }
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
      place === 'after'
        ? undefined
        : { bytes: take(), start: elementStart, stray: place === 'stray' },
  }
}
