import { to as copyTo } from 'pg-copy-streams'
import type { Querier } from './connection.ts'

const TAB = 0x09
const NEWLINE = 0x0a
const ESCAPES: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/**
 * Reads rows by `COPY … TO STDOUT`: faster than `SELECT` through `pg`, back-pressure included, and a row
 * too large for a JavaScript string fails this call only, where `pg` would throw from its socket.
 *
 * @param select a query without parameters
 * @param onRow called with the values of each row, as Postgres prints them
 * @throws the error of Postgres or of `onRow`
 */
export async function copyRows(
  client: Querier,
  select: string,
  onRow: (values: (string | null)[]) => void,
): Promise<void> {
  const stream = client.query(copyTo(`COPY (${select}) TO STDOUT`))
  let rest: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = chunk.subarray(start, end)
      onRow(valuesOf(rest.length === 0 ? line : Buffer.concat([...rest, line])))
      rest = []
      start = end + 1
    }
    if (start < chunk.length) rest.push(chunk.subarray(start))
  }
}

/** Parses a line of COPY's text format. Tabs and newlines inside values are escaped. */
function valuesOf(line: Buffer): (string | null)[] {
  const values: (string | null)[] = []
  for (let start = 0; start <= line.length; ) {
    const tab = line.indexOf(TAB, start)
    const end = tab === -1 ? line.length : tab
    values.push(decodeValue(line.toString('utf8', start, end)))
    start = end + 1
  }
  return values
}

function decodeValue(text: string): string | null {
  if (!text.includes('\\')) return text
  if (text === '\\N') return null
  return text.replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char)
}
