import type { Pool } from 'pg'
import { isVisible, parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'

/** Says when a transaction that the stream has handed over can be seen by queries. */
export interface VisibleCommits {
  /** Resolves once every snapshot taken from now on has the transaction. */
  waitFor(xid: number): Promise<void>
}

const waitMs = 1

/**
 * A commit reaches the stream a moment before queries see it, and before the writer is told. What is handed
 * on only after `waitFor` is in every later snapshot, and reaches no client before its writer could know.
 *
 * The last snapshot is remembered: in a burst one query finds many transactions visible.
 *
 * @param pool - one connection that nothing else uses: large snapshots must not hold up the stream.
 * @example
 * const commits = createVisibleCommits(pool)
 * await commits.waitFor(transaction.xid)
 */
export function createVisibleCommits(pool: Pool): VisibleCommits {
  let seen: SnapshotBounds | undefined

  async function snapshot(): Promise<SnapshotBounds> {
    const { rows } = await pool.query<{ snapshot: string }>({
      name: 'visible',
      text: 'SELECT pg_current_snapshot() AS snapshot',
    })
    return parseSnapshot(rows[0]?.snapshot ?? '')
  }

  return {
    async waitFor(xid) {
      if (seen && isVisible(seen, xid)) return
      seen = await snapshot()
      while (!isVisible(seen, xid)) {
        await new Promise((resolve) => setTimeout(resolve, waitMs))
        seen = await snapshot()
      }
    },
  }
}
