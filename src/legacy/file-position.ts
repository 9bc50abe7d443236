import { createReadStream } from 'node:fs'

/**
 * Says where in a text file a byte is, as people count: "line 3, column 7". Reads the file up to
 * there, so it is for errors only.
 */
export async function filePosition(path: string, offset: number): Promise<string> {
  let line = 1
  let column = 1
  if (offset > 0) {
    for await (const chunk of createReadStream(path, { end: offset - 1 })) {
      for (const byte of chunk as Buffer) {
        if (byte === 0x0a) {
          line += 1
          column = 1
        } else if ((byte & 0xc0) !== 0x80) column += 1
      }
    }
  }
  return `line ${line}, column ${column}`
}
