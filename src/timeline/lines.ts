import { cutText } from '../schema/cut-text.ts'

/** A line of a log or a piece of one, without line ending. */
export interface LogLine {
  /** Physical line number, from 1. */
  readonly number: number
  readonly text: string
  /** True when the line exceeded the limit and its rest was dropped. */
  readonly truncated: boolean
  /** True when the next piece belongs to the same line; only with `longLines: 'split'`. */
  readonly continues: boolean
}

/** Longest line that is read whole, in UTF-16 code units: parsing it takes well below 100 ms. */
export const MAX_LINE_LENGTH = 8 * 1024 * 1024
/** Length of the pieces of long lines, in UTF-16 code units. */
const PIECE_LENGTH = 64 * 1024
const KEPT_OF_LONG_LINE = 4_000
/** Lines whose place in the log is remembered. */
const REMEMBERED_LINES = 65_536
const LF = 10

/** Converts bytes to lines. Memory is bounded by the longest line, and that by its limit. */
export interface LineSplitter {
  /** Reads bytes and returns the lines they complete, except empty ones. */
  write(bytes: Uint8Array): LogLine[]
  /** Returns the last line if it has no line ending. */
  end(): LogLine[]
  /** Physical lines seen so far. */
  readonly count: number
  /** Empty lines among them, which are not returned. */
  readonly emptyLines: number
  /** Returns the byte range of recent complete lines, line endings included. */
  rangeOf(line: number, endLine: number): readonly [start: number, end: number] | undefined
}

/**
 * Creates a splitter at LF and CRLF. It drops a byte order mark; invalid UTF-8 becomes U+FFFD.
 *
 * @param longLines `cut` keeps only the start of lines over `maxLength`, `split` passes them in pieces
 * @param maxLength of a line or piece, in UTF-16 code units
 */
export function createLineSplitter(
  longLines: 'cut' | 'split' = 'cut',
  maxLength: number = longLines === 'cut' ? MAX_LINE_LENGTH : PIECE_LENGTH,
): LineSplitter {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  /** Byte offsets where recent lines start, by line number modulo its length. */
  const starts: number[] = [0, 0]
  let number = 1
  let position = 0
  let emptyLines = 0
  let rest = ''
  let truncated = false
  let hasPieces = false
  let isStart = true
  const lines: LogLine[] = []

  function add(text: string): void {
    if (text === '') return
    if (!truncated) rest += isStart ? withoutMark(text) : text
    isStart = false
    if (rest.length <= maxLength) return
    if (longLines === 'cut') {
      rest = flat(cutText(rest, KEPT_OF_LONG_LINE))
      truncated = true
    } else {
      rest = addPieces(rest)
      hasPieces = true
    }
  }

  // Pieces end at the same places however the bytes are chunked, and never split a surrogate pair.
  function addPieces(text: string): string {
    let start = 0
    while (text.length - start > maxLength) {
      const piece = cutText(text.slice(start, start + maxLength), maxLength)
      lines.push({ number, text: piece, truncated: false, continues: true })
      start += piece.length
    }
    return text.slice(start)
  }

  function finishLine(): void {
    const text = rest.endsWith('\r') ? rest.slice(0, -1) : rest
    if (text === '' && !hasPieces) emptyLines += 1
    else lines.push({ number, text, truncated, continues: false })
    rest = ''
    truncated = false
    hasPieces = false
  }

  return {
    write(bytes) {
      let start = 0
      for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
        // Flushes the decoder: a line feed is never part of another character.
        add(decoder.decode(bytes.subarray(start, end)))
        finishLine()
        number += 1
        start = end + 1
        starts[number % REMEMBERED_LINES] = position + start
      }
      if (start < bytes.length) add(decoder.decode(bytes.subarray(start), { stream: true }))
      position += bytes.length
      return lines.splice(0)
    },
    end() {
      add(decoder.decode())
      if (rest !== '' || hasPieces) {
        finishLine()
        number += 1
        starts[number % REMEMBERED_LINES] = position
      }
      return lines.splice(0)
    },
    get count() {
      return number - 1
    },
    get emptyLines() {
      return emptyLines
    },
    rangeOf(line, endLine) {
      // The end of a line that is still being read would depend on how the bytes are chunked.
      if (line <= number - REMEMBERED_LINES || line > endLine || endLine >= number) return undefined
      const end = starts[(endLine + 1) % REMEMBERED_LINES]
      return [line === 1 ? 0 : (starts[line % REMEMBERED_LINES] ?? 0), end ?? position]
    },
  }
}

function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** Copies a substring, so that it doesn't keep the long string alive. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}
