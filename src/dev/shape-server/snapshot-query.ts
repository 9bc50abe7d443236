import type { Pool } from 'pg'
import {
  isVisible,
  parseSnapshot,
  type SnapshotBounds,
} from '../../shape-log/snapshot-visibility.ts'
import { withConnection } from './connection.ts'

/** Runs a query on one connection. */
export type Querier = Pick<Pool, 'query'>

/** Transactions that the stream has already handed over, by the low 32 bits of their ids. */
export interface StreamedTransactions {
  add(xid: number): void
  /** Whether a snapshot saw all of them. */
  allVisibleIn(snapshot: SnapshotBounds): boolean
}

const remembered = 4096

/** Remembers the last few thousand transactions; older ones are visible everywhere long since. */
export function createStreamedTransactions(): StreamedTransactions {
  const recent = new Set<number>()
  return {
    add(xid) {
      recent.add(xid)
      if (recent.size > remembered) recent.delete(recent.values().next().value as number)
    },
    allVisibleIn(snapshot) {
      for (const xid of recent) if (!isVisible(snapshot, xid)) return false
      return true
    },
  }
}

const attempts = 500
const lockTimeoutMs = 5000

/**
 * Runs `query` until its snapshot saw every transaction the stream has handed over. A commit reaches the
 * stream a moment before it becomes visible; a snapshot taken in between would lose it.
 *
 * @param query - runs the query and returns the snapshot it saw.
 */
export async function seeingStreamed<T extends { bounds: SnapshotBounds }>(
  streamed: StreamedTransactions,
  query: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const result = await query()
    if (attempt === attempts || streamed.allVisibleIn(result.bounds)) return result
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/**
 * Runs `work` in a transaction whose queries all see one snapshot, and tells which.
 *
 * @example
 * await inSnapshot(pool, streamed, async (client, bounds) => client.query('SELECT …'))
 */
export async function inSnapshot<T>(
  pool: Pool,
  streamed: StreamedTransactions,
  work: (client: Querier, bounds: SnapshotBounds) => Promise<T>,
): Promise<T> {
  return withConnection(pool, async (client) => {
    const { bounds } = await seeingStreamed(streamed, async () => {
      await client.query('ROLLBACK')
      await client.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = ${lockTimeoutMs}`,
      )
      const { rows } = await client.query<{ snapshot: string }>(
        'SELECT pg_current_snapshot() AS snapshot',
      )
      return { bounds: parseSnapshot(rows[0]?.snapshot ?? '') }
    })
    const result = await work(client, bounds)
    await client.query('COMMIT')
    return result
  })
}
