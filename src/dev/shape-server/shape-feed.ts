import type { RowTags } from '../protocol/move-tags.ts'
import type { ShapeLog } from '../protocol/shape-log.ts'
import {
  isVisible,
  type SnapshotBounds,
  snapshotEndMessage,
} from '../protocol/snapshot-visibility.ts'
import { createFeedMessages } from './feed-messages.ts'
import type { InnerMembers } from './inner-members.ts'
import type { SelectedRow } from './member-queries.ts'
import { createMemberSet, type MemberDelta, type MoveInQuery } from './member-set.ts'
import { writePlainSnapshot } from './plain-snapshot.ts'
import { type RoutedTransaction, touches } from './routed-transaction.ts'
import type { PostgresShape } from './shape-definition.ts'
import type { Querier } from './snapshot-query.ts'

/** What feeds one shape's log: the snapshot, then the transactions of the stream. */
export interface ShapeFeed {
  readonly shape: PostgresShape
  readonly log: ShapeLog
  /** LSN of the first transaction that the log may not have yet. */
  readonly pendingLsn: bigint | undefined
  /** The tags of a row that a query read; undefined where the shape has no subqueries. */
  tagsOf(row: SelectedRow): RowTags | undefined
  start(): void
  offer(transaction: RoutedTransaction): void
  stop(): void
}

/** What a feed needs of its server. */
export interface FeedContext {
  /** Prepares the tables, then runs `work` within one snapshot. */
  readonly snapshot: (
    shape: PostgresShape,
    work: (client: Querier, bounds: SnapshotBounds) => Promise<void>,
  ) => Promise<void>
  readonly moveIn: MoveInQuery
  /** The rows of subqueries, of all feeds. */
  readonly innerMembers: InnerMembers
  /** The snapshot could not be taken. */
  readonly onSnapshotFailure: (feed: ShapeFeed, error: unknown) => void
  /** The feed cannot go on; its clients must start over. */
  readonly onFailure: (feed: ShapeFeed, error: unknown) => void
}

/**
 * Creates the feed of a log. Transactions that arrive while a query runs wait; they are applied in
 * commit order, and those that the snapshot saw are left out.
 *
 * @example
 * const feed = createShapeFeed(shape, log, context)
 * feed.start()
 */
export function createShapeFeed(
  shape: PostgresShape,
  log: ShapeLog,
  context: FeedContext,
): ShapeFeed {
  const { plan } = shape
  const sendsRows = shape.log === 'full'
  const members =
    plan.form && createMemberSet(plan, shape.message.columns, context.moveIn, context.innerMembers)
  const messages = createFeedMessages(shape, log)
  let queue: RoutedTransaction[] = []
  let current: RoutedTransaction | undefined
  let busy = true
  let stopped = false
  let bounds: SnapshotBounds | undefined

  async function takeSnapshot(client: Querier, seen: SnapshotBounds): Promise<void> {
    if (members) {
      await members.load(client, (rows) => {
        if (!sendsRows) return
        for (const { row, truth } of rows) {
          log.addSnapshotMessage(messages.row(row, members.stateOf(row, truth)))
        }
      })
      log.hold(members.size)
    } else if (sendsRows) await writePlainSnapshot(client, shape, log)
    bounds = seen
  }

  function pump(): void {
    while (!busy && !stopped) {
      const transaction = queue.shift()
      if (!transaction) return
      try {
        const working = apply(transaction)
        if (working) {
          busy = true
          current = transaction
          working.then(resume, fail)
        }
      } catch (error) {
        fail(error)
      }
    }
  }

  function resume(): void {
    busy = false
    current = undefined
    pump()
  }

  function fail(error: unknown): void {
    if (stopped) return
    stopped = true
    queue = []
    context.onFailure(feed, error)
  }

  function apply(transaction: RoutedTransaction): Promise<void> | undefined {
    if (bounds && isVisible(bounds, transaction.xid)) return undefined
    if (!members) {
      log.append(messages.changes(transaction))
      return undefined
    }
    const add = (delta: MemberDelta) => {
      log.hold(members.size)
      log.append(messages.memberChanges(transaction, delta))
    }
    const delta = members.apply(transaction)
    if (delta instanceof Promise) return delta.then(add)
    add(delta)
    return undefined
  }

  const feed: ShapeFeed = {
    shape,
    log,
    get pendingLsn() {
      return (current ?? queue[0])?.lsn
    },
    tagsOf: ({ row, truth }) => members && messages.tags(members.stateOf(row, truth)),
    start() {
      context
        .snapshot(shape, takeSnapshot)
        .then(() => {
          if (bounds) log.endSnapshot(snapshotEndMessage(bounds))
          resume()
        })
        .catch((error: unknown) => {
          if (!stopped) context.onSnapshotFailure(feed, error)
        })
    },
    offer(transaction) {
      if (stopped || !touches(transaction, plan)) return
      queue.push(transaction)
      pump()
    },
    stop() {
      stopped = true
      queue = []
      members?.release()
    },
  }
  return feed
}
