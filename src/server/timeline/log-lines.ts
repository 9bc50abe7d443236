/** One line of a log, without its line ending. */
export interface LogLine {
  /** Physical line number; the first is 1. */
  readonly number: number
  /** The text, or what is kept of a line longer than the limit. */
  readonly text: string
  /** Whether the line was longer than the limit, so that `text` is only its start. */
  readonly truncated: boolean
}

/** Longest line that is read as a whole, in UTF-16 code units. */
export const MAX_LINE_LENGTH = 16 * 1024 * 1024
const KEPT_OF_LONG_LINE = 4_000

/**
 * Splits bytes into lines at LF or CRLF, dropping a byte order mark; invalid UTF-8 becomes U+FFFD.
 * Memory is bounded by the longest line, and that by `maxLength`.
 *
 * @param maxLength of a line, in UTF-16 code units; of a longer one only the start is kept.
 */
export async function* logLines(
  bytes: AsyncIterable<Uint8Array>,
  maxLength: number = MAX_LINE_LENGTH,
): AsyncGenerator<LogLine> {
  const decoder = new TextDecoder()
  let number = 0
  let rest = ''
  let truncated = false
  const toLine = (text: string): LogLine => {
    number += 1
    const line = { number, text: text.endsWith('\r') ? text.slice(0, -1) : text, truncated }
    truncated = false
    return line
  }
  for await (const chunk of bytes) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n')
    for (const [index, part] of parts.entries()) {
      if (index > 0) {
        yield toLine(rest)
        rest = ''
      }
      if (!truncated) rest += part
      if (rest.length > maxLength) {
        rest = rest.slice(0, KEPT_OF_LONG_LINE)
        truncated = true
      }
    }
  }
  rest += truncated ? '' : decoder.decode()
  if (rest !== '') yield toLine(rest)
}
