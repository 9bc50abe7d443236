import type { Connection } from 'pg'
import type { Querier } from './snapshot-query.ts'

/**
 * Reads rows by `COPY … TO STDOUT`, in COPY's text format: about twice as fast as a `SELECT`, whose
 * every value becomes a string.
 *
 * @param select - a query without parameters.
 * @param onRow - gets each row with its line break; the bytes are valid until it returns.
 * @throws what Postgres or `onRow` throws.
 * @example
 * await copyRows(client, 'SELECT id FROM items', (row) => rows.push(row.toString()))
 */
export function copyRows(
  client: Querier,
  select: string,
  onRow: (row: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let failed = false
    const fail = (error: unknown) => {
      failed = true
      reject(error)
    }
    const copy = {
      submit(connection: Connection) {
        connection.query(`COPY (${select}) TO STDOUT`)
      },
      handleCopyData({ chunk }: { chunk: Buffer }) {
        if (failed) return
        try {
          onRow(chunk)
        } catch (error) {
          // Thrown here it would end the process: it would reach the socket's listener.
          fail(error)
        }
      },
      handleError: fail,
      handleCommandComplete() {},
      handleReadyForQuery: () => resolve(),
    }
    client.query(copy)
  })
}
