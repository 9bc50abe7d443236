import type { Pool } from 'pg'
import {
  changeMessages,
  type DraftEntry,
  finishTransaction,
  moveEventMessage,
  type RowTags,
  type RowText,
  type ShapeChange,
  tagValue,
} from '../protocol/messages.ts'
import { nextOffset } from '../protocol/offset.ts'
import type { LogEntry, ShapeLog } from '../protocol/shape-log.ts'
import {
  isVisible,
  type SnapshotBounds,
  snapshotEndMessage,
} from '../protocol/snapshot-visibility.ts'
import type { Querier } from './connection.ts'
import {
  createMemberSet,
  type MemberDelta,
  type MemberState,
  type MovedValue,
} from './member-set.ts'
import { createQueryRowWriter, readRows, type SelectedRow } from './row-queries.ts'
import type { PostgresShape } from './shape-definition.ts'
import { type RoutedTransaction, touches } from './transaction.ts'
import { valueParts } from './value-set.ts'
import { decideTree } from './where/condition.ts'

/** Feeds one shape's log: with the snapshot, then with the transactions of the stream. */
export interface ShapeFeed {
  readonly shape: PostgresShape
  readonly log: ShapeLog
  /** LSN of the first transaction that the log may not contain yet. */
  readonly pendingLsn: bigint | undefined
  /** Returns the tags of a row that a query read; undefined for a shape without subqueries. */
  tagsOf(row: SelectedRow): RowTags | undefined
  start(): void
  offer(transaction: RoutedTransaction): void
  stop(): void
}

/** The parts of the server that a feed uses. */
export interface FeedContext {
  readonly pool: Pool
  /** Publishes the tables, then runs `work` within one snapshot. */
  readonly snapshot: (
    shape: PostgresShape,
    work: (client: Querier, bounds: SnapshotBounds) => Promise<void>,
  ) => Promise<void>
  readonly onSnapshotFailure: (feed: ShapeFeed, error: unknown) => void
  /** Called when a transaction cannot be applied: the clients must start over. */
  readonly onFailure: (feed: ShapeFeed, error: unknown) => void
}

/**
 * Creates the feed of a log. Transactions that arrive while a query runs are queued and then applied in
 * commit order; those that the snapshot contains are skipped.
 */
export function createShapeFeed(
  shape: PostgresShape,
  log: ShapeLog,
  context: FeedContext,
): ShapeFeed {
  const { plan, message } = shape
  const sendsRows = shape.log === 'full'
  const members = plan.form && createMemberSet(plan, message.columns, context.pool)
  const writeRow = createQueryRowWriter(shape)
  const tagsOf = tagger(shape, log.handle)
  let queue: RoutedTransaction[] = []
  let current: RoutedTransaction | undefined
  let busy = true
  let stopped = false
  let bounds: SnapshotBounds | undefined

  async function takeSnapshot(client: Querier, seen: SnapshotBounds): Promise<void> {
    if (members) {
      await members.load(client, ({ row }, state) => {
        if (sendsRows) log.addSnapshotMessage(writeRow(row, tagsOf(state)))
      })
      log.hold(members.size)
    } else if (sendsRows) {
      await readRows(client, plan, message.columns, ({ row }) => {
        log.addSnapshotMessage(writeRow(row))
      })
    }
    bounds = seen
  }

  /** Applies the queued transactions until the queue is empty or one has to wait for a query. */
  function pump(): void {
    while (!busy && !stopped) {
      const transaction = queue.shift()
      if (!transaction) return
      try {
        const applying = apply(transaction)
        if (applying) {
          busy = true
          current = transaction
          applying.then(resume, fail)
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
      log.append(plainChanges(transaction))
      return undefined
    }
    const add = (delta: MemberDelta) => {
      log.hold(members.size)
      log.append(memberChanges(transaction, delta))
    }
    const delta = members.apply(transaction)
    if (delta instanceof Promise) return delta.then(add)
    add(delta)
    return undefined
  }

  /** The messages of a transaction for a shape without subqueries. */
  function plainChanges(transaction: RoutedTransaction): LogEntry[] {
    const drafts = transaction.changesOf(plan.table.oid).flatMap(({ old, row, position }) => {
      const was = old && holds(old, transaction) ? old : undefined
      const is = row && holds(row, transaction) ? row : undefined
      return draft(transaction, position, shapeChange(was, is))
    })
    return finishTransaction(drafts)
  }

  function holds(row: RowText, transaction: RoutedTransaction): boolean {
    const { condition } = plan
    if (!condition) return true
    const truth = decideTree(condition.tree, (index) => {
      const leaf = condition.leaves[index]
      if (leaf?.kind === 'test') return leaf.test(row)
      return leaf?.kind === 'sql' ? transaction.verdict(row, leaf.sql) : null
    })
    return truth === true
  }

  /**
   * The messages of a transaction for a shape with subqueries, in the order in which clients can apply
   * them: moves out, the transaction's own changes, moves in.
   */
  function memberChanges(transaction: RoutedTransaction, delta: MemberDelta): LogEntry[] {
    const entries: LogEntry[] = []
    const add = (json: string) => {
      const last = entries.at(-1)?.offset ?? log.lastOffset
      entries.push({ offset: nextOffset(last), json })
    }
    const addMove = (event: 'move-in' | 'move-out', moved: readonly MovedValue[]) => {
      if (moved.length === 0) return
      const patterns = moved.map(({ pos, value }) => ({ pos, value: tagsOf.value(value) }))
      // Like the engine, which has no transaction for a move that caused another.
      const isNested = event === 'move-in' && delta.isNested
      add(moveEventMessage(event, patterns, isNested ? undefined : transaction.xid))
    }
    addMove('move-out', delta.movedOut)
    const own = delta.changes.flatMap(({ old, oldState, row, state, position }) => {
      const change = shapeChange(old, row, oldState && tagsOf(oldState), state && tagsOf(state))
      return draft(transaction, position, change)
    })
    entries.push(...finishTransaction(own))
    addMove('move-in', delta.movedIn)
    for (const { row, state } of delta.rows) {
      add(writeRow(row, tagsOf(state), { is_move_in: true }))
    }
    if (delta.rows.length > 0 && delta.bounds) add(snapshotEndMessage(delta.bounds))
    return entries
  }

  function draft(
    { xid, lsn }: RoutedTransaction,
    position: number,
    change: ShapeChange | undefined,
  ): DraftEntry[] {
    return change ? changeMessages(message, change, { txid: xid, lsn, position }) : []
  }

  const feed: ShapeFeed = {
    shape,
    log,
    get pendingLsn() {
      return (current ?? queue[0])?.lsn
    },
    tagsOf: ({ row, truth }) => members && tagsOf(members.stateOf(row, truth)),
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
    },
  }
  return feed
}

/** Creates a function that turns the state of a row into its tags, subquery values hashed for one handle. */
function tagger({ plan }: PostgresShape, handle: string) {
  const positions = plan.form?.positions ?? []
  const disjuncts = plan.form?.disjuncts ?? []

  function hashValue(value: string | null): string {
    if (value === null) return tagValue(handle, [null])
    return tagValue(handle, valueParts(value))
  }

  function tagsOf({ values, active }: MemberState): RowTags {
    const tags = disjuncts.map((disjunct) => {
      const parts = new Array<string>(positions.length).fill('')
      for (const pos of disjunct) {
        const value = values[pos]
        parts[pos] = value === undefined ? '1' : hashValue(value)
      }
      return parts.join('/')
    })
    return { tags, active }
  }

  return Object.assign(tagsOf, { value: hashValue })
}

/** Returns the change from the rows that belong to the shape before and after; undefined if neither does. */
function shapeChange(
  old: RowText | undefined,
  row: RowText | undefined,
  oldTags?: RowTags,
  tags?: RowTags,
): ShapeChange | undefined {
  const withTags = tags ? { tags } : {}
  if (old && row) {
    return { operation: 'update', old, row, ...withTags, ...(oldTags ? { oldTags } : {}) }
  }
  if (row) return { operation: 'insert', row, ...withTags }
  if (old) return { operation: 'delete', row: old, ...(oldTags ? { tags: oldTags } : {}) }
  return undefined
}
