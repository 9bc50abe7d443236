import {
  changeMessages,
  createRowWriter,
  type DraftEntry,
  finishTransaction,
  type ShapeChange,
} from '../../shape-log/change-message.ts'
import {
  type MovePattern,
  moveEventMessage,
  type RowTags,
  tagValue,
} from '../../shape-log/move-tags.ts'
import { nextOffset } from '../../shape-log/offset.ts'
import type { RowText } from '../../shape-log/row-key.ts'
import type { LogEntry, ShapeLog } from '../../shape-log/shape-log.ts'
import {
  isVisible,
  type SnapshotBounds,
  snapshotEndMessage,
} from '../../shape-log/snapshot-visibility.ts'
import type { InnerMembers } from './inner-members.ts'
import type { SelectedRow } from './member-queries.ts'
import {
  createMemberSet,
  type MemberDelta,
  type MemberState,
  type MoveInQuery,
  type RawPattern,
} from './member-set.ts'
import { writePlainSnapshot } from './plain-snapshot.ts'
import { type RoutedTransaction, touches } from './routed-transaction.ts'
import type { PostgresShape } from './shape-definition.ts'
import type { Querier } from './snapshot-query.ts'
import { valueParts } from './value-set.ts'
import { decideTree } from './where/condition.ts'

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
  const { plan, message } = shape
  const sendsRows = shape.log === 'full'
  const members =
    plan.form && createMemberSet(plan, message.columns, context.moveIn, context.innerMembers)
  const asPrinted = booleanWriter(shape)
  const writeRow = createRowWriter(message)
  let queue: RoutedTransaction[] = []
  let current: RoutedTransaction | undefined
  let busy = true
  let stopped = false
  let bounds: SnapshotBounds | undefined

  async function takeSnapshot(client: Querier, seen: SnapshotBounds): Promise<void> {
    const send = (rows: readonly SelectedRow[]) => {
      if (!sendsRows) return
      for (const row of rows) log.addSnapshotMessage(writeRow(asPrinted(row.row), tagsOf(row)))
    }
    if (members) {
      await members.load(client, send)
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
      log.append(finishTransaction(plainChanges(transaction)))
      return undefined
    }
    const add = (delta: MemberDelta) => {
      log.hold(members.size)
      log.append(memberEntries(transaction, delta))
    }
    const delta = members.apply(transaction)
    if (delta instanceof Promise) return delta.then(add)
    add(delta)
    return undefined
  }

  function plainChanges(transaction: RoutedTransaction): DraftEntry[] {
    return transaction.changesOf(plan.table.oid).flatMap(({ old, row, position }) => {
      const was = old && holds(old, transaction) ? old : undefined
      const is = row && holds(row, transaction) ? row : undefined
      const change = shapeChange(was, is)
      return change ? changeMessages(message, change, { ...place(transaction), position }) : []
    })
  }

  function holds(row: RowText, transaction: RoutedTransaction): boolean {
    const { condition } = plan
    if (!condition) return true
    return (
      decideTree(condition.tree, (index) => {
        const leaf = condition.leaves[index]
        if (leaf?.kind === 'test') return leaf.test(row)
        return leaf?.kind === 'sql' ? transaction.verdict(row, leaf.sql) : null
      }) === true
    )
  }

  /** Moves out first, then the transaction's own changes, then moves in: the order clients can apply. */
  function memberEntries(transaction: RoutedTransaction, delta: MemberDelta): LogEntry[] {
    const entries: LogEntry[] = []
    const add = (json: string) => {
      const last = entries.at(-1)?.offset ?? log.lastOffset
      entries.push({ offset: nextOffset(last), json })
    }
    if (delta.movedOut.length > 0) add(moveEvent('move-out', delta.movedOut, transaction))
    const drafts = delta.changes.flatMap(({ old, oldTags, row, state, position }) => {
      const change = shapeChange(old, row, oldTags && nameTags(oldTags), state && nameTags(state))
      return change ? changeMessages(message, change, { ...place(transaction), position }) : []
    })
    entries.push(...finishTransaction(drafts))
    if (delta.movedIn.length > 0) add(moveEvent('move-in', delta.movedIn, transaction))
    for (const { row, state } of delta.rows) {
      add(writeRow(asPrinted(row), nameTags(state), { is_move_in: true }))
    }
    if (delta.rows.length > 0 && delta.bounds) add(snapshotEndMessage(delta.bounds))
    return entries
  }

  function moveEvent(
    event: 'move-in' | 'move-out',
    patterns: readonly RawPattern[],
    transaction: RoutedTransaction,
  ): string {
    const named: MovePattern[] = patterns.map(({ pos, value }) => ({
      pos,
      value: nameValue(value, pos),
    }))
    return moveEventMessage(event, named, transaction.xid)
  }

  function tagsOf({ row, truth }: SelectedRow): RowTags | undefined {
    return members && nameTags(members.stateOf(row, truth))
  }

  function nameTags(state: MemberState): RowTags {
    const width = plan.form?.positions.length ?? 0
    const tags = (plan.form?.disjuncts ?? []).map((disjunct) => {
      const parts = new Array<string>(width).fill('')
      for (const pos of disjunct) {
        const value = state.values[pos]
        parts[pos] = value === undefined ? '1' : nameValue(value, pos)
      }
      return parts.join('/')
    })
    return { tags, active: state.active }
  }

  function nameValue(value: string | null, pos: number): string {
    if (value === null) return tagValue(log.handle, [null])
    const leaf = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
    const width = leaf?.kind === 'membership' ? leaf.membership.columns.length : 1
    return tagValue(log.handle, valueParts(value, width))
  }

  const feed: ShapeFeed = {
    shape,
    log,
    get pendingLsn() {
      return (current ?? queue[0])?.lsn
    },
    tagsOf,
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

function place(transaction: RoutedTransaction) {
  return { txid: transaction.xid, lsn: transaction.lsn }
}

function shapeChange(
  old: RowText | undefined,
  row: RowText | undefined,
  oldTags?: RowTags,
  tags?: RowTags,
): ShapeChange | undefined {
  if (old && row) {
    return {
      operation: 'update',
      old,
      row,
      ...(tags ? { tags } : {}),
      ...(oldTags ? { oldTags } : {}),
    }
  }
  if (row) return { operation: 'insert', row, ...(tags ? { tags } : {}) }
  if (old) return { operation: 'delete', row: old, ...(oldTags ? { tags: oldTags } : {}) }
  return undefined
}

/** Rows that queries read carry booleans as `true` and `false`, those of the stream `t` and `f`. */
export function booleanWriter(shape: PostgresShape): (row: RowText) => RowText {
  const names = shape.plan.table.columns
    .filter(({ type, name }) => type === 'bool' && shape.message.columns.includes(name))
    .map((column) => column.name)
  if (names.length === 0) return (row) => row
  return (row) => {
    const written = { ...row }
    for (const name of names) {
      if (written[name] != null) written[name] = written[name] === 't' ? 'true' : 'false'
    }
    return written
  }
}
