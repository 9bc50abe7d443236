import type { LogEntry } from '../protocol/change-log.ts'
import {
  changeMessages,
  createRowWriter,
  type DraftEntry,
  finishTransaction,
  type ShapeChange,
} from '../protocol/change-message.ts'
import { moveEventMessage, type RowTags, tagValue } from '../protocol/move-tags.ts'
import { nextOffset } from '../protocol/offset.ts'
import type { RowText } from '../protocol/row-key.ts'
import type { ShapeLog } from '../protocol/shape-log.ts'
import { snapshotEndMessage } from '../protocol/snapshot-visibility.ts'
import { booleanWriter } from './boolean-writer.ts'
import type { RawPattern } from './member-moves.ts'
import type { MemberDelta } from './member-set.ts'
import type { MemberState } from './member-state.ts'
import type { RoutedTransaction } from './routed-transaction.ts'
import type { PostgresShape } from './shape-definition.ts'
import { valueParts } from './value-set.ts'
import { decideTree } from './where/condition.ts'

/** Puts what happens to the rows of a shape into the words of its log. */
export interface FeedMessages {
  /** A row that a query read. */
  row(row: RowText, state?: MemberState): string
  tags(state: MemberState): RowTags
  /** What a transaction did to a shape without subqueries. */
  changes(transaction: RoutedTransaction): LogEntry[]
  /**
   * What it did to one with subqueries: moves out first, then the transaction's own changes, then moves
   * in: the order clients can apply.
   */
  memberChanges(transaction: RoutedTransaction, delta: MemberDelta): LogEntry[]
}

/**
 * The messages of a shape's log.
 *
 * @example
 * log.append(createFeedMessages(shape, log).changes(transaction))
 */
export function createFeedMessages(shape: PostgresShape, log: ShapeLog): FeedMessages {
  const { plan, message } = shape
  const asPrinted = booleanWriter(shape)
  const writeRow = createRowWriter(message)

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

  function drafts(
    transaction: RoutedTransaction,
    position: number,
    change: ShapeChange | undefined,
  ): DraftEntry[] {
    if (!change) return []
    return changeMessages(message, change, {
      txid: transaction.xid,
      lsn: transaction.lsn,
      position,
    })
  }

  function tags(state: MemberState): RowTags {
    const width = plan.form?.positions.length ?? 0
    const named = (plan.form?.disjuncts ?? []).map((disjunct) => {
      const parts = new Array<string>(width).fill('')
      for (const pos of disjunct) {
        const value = state.values[pos]
        parts[pos] = value === undefined ? '1' : nameValue(value, pos)
      }
      return parts.join('/')
    })
    return { tags: named, active: state.active }
  }

  function nameValue(value: string | null, pos: number): string {
    if (value === null) return tagValue(log.handle, [null])
    const leaf = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
    const width = leaf?.kind === 'membership' ? leaf.membership.columns.length : 1
    return tagValue(log.handle, valueParts(value, width))
  }

  function moveEvent(
    event: 'move-in' | 'move-out',
    patterns: readonly RawPattern[],
    { xid }: RoutedTransaction,
  ): string {
    const named = patterns.map(({ pos, value }) => ({ pos, value: nameValue(value, pos) }))
    return moveEventMessage(event, named, xid)
  }

  return {
    row: (row, state) => writeRow(asPrinted(row), state && tags(state)),
    tags,
    changes(transaction) {
      const all = transaction.changesOf(plan.table.oid).flatMap(({ old, row, position }) => {
        const was = old && holds(old, transaction) ? old : undefined
        const is = row && holds(row, transaction) ? row : undefined
        return drafts(transaction, position, shapeChange(was, is))
      })
      return finishTransaction(all)
    },
    memberChanges(transaction, delta) {
      const entries: LogEntry[] = []
      const add = (json: string) => {
        const last = entries.at(-1)?.offset ?? log.lastOffset
        entries.push({ offset: nextOffset(last), json })
      }
      if (delta.movedOut.length > 0) add(moveEvent('move-out', delta.movedOut, transaction))
      const own = delta.changes.flatMap(({ old, oldTags, row, state, position }) => {
        const change = shapeChange(old, row, oldTags && tags(oldTags), state && tags(state))
        return drafts(transaction, position, change)
      })
      entries.push(...finishTransaction(own))
      if (delta.movedIn.length > 0) add(moveEvent('move-in', delta.movedIn, transaction))
      for (const { row, state } of delta.rows) {
        add(writeRow(asPrinted(row), tags(state), { is_move_in: true }))
      }
      if (delta.rows.length > 0 && delta.bounds) add(snapshotEndMessage(delta.bounds))
      return entries
    },
  }
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
