import type { Query } from '../query.ts'

/** Rows as an object each. Statements name their columns in lower case, as every driver gives them. */
export type Rows = readonly object[]

/** One connection, for as long as it is held. */
export interface DriverConnection {
  /**
   * Sends queries and yields their rows in order, failing at the first that failed. A driver that can
   * sends all at once; with another, those after the point where the caller stops are not sent.
   */
  send(queries: readonly Query[]): AsyncIterable<Rows>
}

/** How statements reach Postgres. */
export interface Driver {
  /** Runs one statement, which is a transaction of its own: one round trip. */
  run(query: Query): Promise<Rows>
  /** Holds one connection; it is closed, not used again, when `work` leaves it broken. */
  connect<T>(work: (connection: DriverConnection) => Promise<T>): Promise<T>
}

/** A statement without values that connections need not prepare. */
export function plainQuery(text: string): Query {
  return { name: undefined, text, values: [] }
}

/** Undoes what a failed transaction did. False when the connection cannot be used again. */
export async function rollBack(connection: DriverConnection): Promise<boolean> {
  try {
    await collect(connection, [plainQuery('ROLLBACK')])
    return true
  } catch {
    return false
  }
}

/** Sends queries for when all the rows are wanted. */
export async function collect(
  connection: DriverConnection,
  queries: readonly Query[],
): Promise<Rows[]> {
  const rows: Rows[] = []
  for await (const answer of connection.send(queries)) rows.push(answer)
  return rows
}

/** Yields answers that are all on their way, in order. */
export async function* inOrder(answers: readonly PromiseLike<Rows>[]): AsyncGenerator<Rows> {
  // All of them, before the first is given out: a failure nobody has come to yet is not unhandled.
  for (const answer of await Promise.allSettled(answers)) {
    if (answer.status === 'rejected') throw answer.reason
    yield answer.value
  }
}
