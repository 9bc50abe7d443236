import { createReadStream } from 'node:fs'

const NEWLINE = 0x0a
const startOfFile = { offset: 0, line: 1, column: 1 }

/** Says where in a file a byte is, as people count: "line 3, column 7". */
export type FilePosition = (offset: number) => Promise<string>

/**
 * Begins to count the lines of a text file. It is read from the position asked for last, so that
 * thousands of them in ascending order read it once.
 *
 * @param onBytes hears how many bytes were read.
 */
export function createFilePosition(path: string, onBytes?: (count: number) => void): FilePosition {
  let reached = startOfFile
  return async (offset) => {
    const from = offset < reached.offset ? startOfFile : reached
    let { line, column } = from
    if (offset > from.offset) {
      const rest = createReadStream(path, { start: from.offset, end: offset - 1 })
      for await (const chunk of rest as AsyncIterable<Buffer>) {
        onBytes?.(chunk.length)
        for (const byte of chunk) {
          if (byte === NEWLINE) {
            line += 1
            column = 1
          } else if ((byte & 0xc0) !== 0x80) column += 1
        }
      }
    }
    reached = { offset, line, column }
    return `line ${line}, column ${column}`
  }
}
