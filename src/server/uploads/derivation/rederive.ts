import type { Pool } from 'pg'
import type { TimelineParser } from '../../../timeline/parser.ts'
import { withOwnParsers } from '../../../timeline/parsers.ts'
import { withClient } from '../../connections.ts'
import {
  countRederivations,
  queueRederivations,
  type RederiveFilter,
  type SessionKey,
} from './stale.ts'

/** Options of `rederiveSessions`. */
export interface RederiveOptions extends RederiveFilter {
  /** A connection string, or a pool, which stays open. */
  readonly database: string | Pool
  /** The app's own parsers, as given to the store. */
  readonly parsers?: readonly TimelineParser[] | undefined
  /** Counts the sessions and queues none. */
  readonly dryRun?: boolean | undefined
}

const BATCH = 1_000

/**
 * Queues timelines to be derived again from their contents: those that an older version of a parser
 * derived, or all. Workers (`store.startWorker()`) derive them in the background, after new uploads.
 * Sessions stay readable meanwhile. It can be stopped at any point and run again: queued sessions are not
 * queued twice.
 *
 * @returns the number of queued sessions; in a dry run, of those that are due
 * @throws SessionDbError `unavailable` when the database can't be reached.
 * @example
 * await rederiveSessions({ database: pool, tenantId: 'acme', format: 'other', all: true })
 */
export async function rederiveSessions(options: RederiveOptions): Promise<{ sessions: number }> {
  const { parsers = [], dryRun = false, ...filter } = options
  const current = withOwnParsers(parsers)
  return withClient(options.database, async (client) => {
    if (dryRun) return { sessions: await countRederivations(client, current, filter) }
    let sessions = 0
    let after: SessionKey | undefined
    do {
      const queued = await queueRederivations(client, current, filter, BATCH, after)
      sessions += queued.length
      after = queued.length < BATCH ? undefined : queued.at(-1)
    } while (after !== undefined)
    return { sessions }
  })
}
