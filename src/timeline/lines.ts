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

/** Longest line that is read whole, in UTF-16 code units. */
export const MAX_LINE_LENGTH = 16 * 1024 * 1024
/** Length of the pieces of long lines, in UTF-16 code units. */
const PIECE_LENGTH = 64 * 1024
const KEPT_OF_LONG_LINE = 4_000

/** Converts bytes to lines. Memory is bounded by the longest line, and that by its limit. */
interface LineSplitter {
  /** Reads bytes and returns the lines they complete. */
  write(bytes: Uint8Array): LogLine[]
  /** Returns the last line if it has no line ending. */
  end(): LogLine[]
  /** Physical lines seen so far. */
  readonly count: number
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
  const decoder = new TextDecoder()
  let number = 1
  let rest = ''
  let truncated = false
  let hasPieces = false
  const lines: LogLine[] = []
  const add = (text: string) => {
    if (!truncated) rest += text
    if (rest.length <= maxLength) return
    if (longLines === 'cut') {
      rest = flat(rest.slice(0, KEPT_OF_LONG_LINE))
      truncated = true
    } else {
      rest = addPieces(rest)
      hasPieces = true
    }
  }
  // Pieces end at the same places however the bytes are chunked, and never split a surrogate pair.
  const addPieces = (text: string): string => {
    let start = 0
    while (text.length - start > maxLength) {
      const last = text.charCodeAt(start + maxLength - 1)
      const end = start + (last >= 0xd800 && last <= 0xdbff ? maxLength - 1 : maxLength)
      lines.push({ number, text: text.slice(start, end), truncated: false, continues: true })
      start = end
    }
    return text.slice(start)
  }
  const finishLine = () => {
    const text = rest.endsWith('\r') ? rest.slice(0, -1) : rest
    lines.push({ number, text, truncated, continues: false })
    number += 1
    rest = ''
    truncated = false
    hasPieces = false
  }
  const taken = () => lines.splice(0)
  return {
    write(bytes) {
      const text = decoder.decode(bytes, { stream: true })
      let start = 0
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        add(text.slice(start, end))
        finishLine()
        start = end + 1
      }
      add(text.slice(start))
      return taken()
    },
    end() {
      add(decoder.decode())
      if (rest !== '' || hasPieces) finishLine()
      return taken()
    },
    get count() {
      return number - 1
    },
  }
}

/** Copies a substring, so that it doesn't keep the long string alive. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}
