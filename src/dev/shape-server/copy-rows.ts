import { to as copyTo } from 'pg-copy-streams'
import type { Querier } from './connection.ts'

const NEWLINE = 0x0a

/** Larger rows are refused: a JavaScript string has at most 512 MiB, and JSON can be longer than the row. */
export const MAX_ROW_BYTES = 128 * 2 ** 20

/** The message for a row beyond the limit. */
export const ROW_TOO_LARGE =
  'A row is too large: the development server reads rows of up to 128 MiB. Delete it or make it smaller.'

const ESCAPES: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/**
 * Reads rows by `COPY … TO STDOUT`. That is faster than `SELECT` through `pg`, has back-pressure, and a row
 * that is too large fails only this call, where `pg` would throw from its socket.
 *
 * @param select a query without parameters
 * @param onRow called with the values of each row, as Postgres prints them
 * @throws the error of Postgres or of `onRow`, or an error for a row that is too large
 */
export async function copyRows(
  client: Querier,
  select: string,
  onRow: (values: (string | null)[]) => void,
): Promise<void> {
  const stream = client.query(copyTo(`COPY (${select}) TO STDOUT`))
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(NEWLINE)
    if (end === -1) {
      rest.push(chunk)
      restBytes += chunk.length
      if (restBytes > MAX_ROW_BYTES) throw new Error(ROW_TOO_LARGE)
      continue
    }
    // Tabs and newlines inside values are escaped.
    const lines = Buffer.concat([...rest, chunk.subarray(0, end)]).toString()
    rest = [chunk.subarray(end + 1)]
    restBytes = 0
    for (const line of lines.split('\n')) onRow(line.split('\t').map(decodeValue))
  }
}

function decodeValue(text: string): string | null {
  if (!text.includes('\\')) return text
  if (text === '\\N') return null
  return text.replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char)
}
