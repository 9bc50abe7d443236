import type { RowText } from '../protocol/row-key.ts'
import { isVisible, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import type { InnerMembers, Member } from './inner-members.ts'
import {
  createMoveFilter,
  type Move,
  movesOf,
  patternsOf,
  type RawPattern,
} from './member-moves.ts'
import { loadMembers, readMovedIn, type SelectedRow } from './member-queries.ts'
import { createMemberRows } from './member-rows.ts'
import { createStateReader, type LeafTruth, type MemberState } from './member-state.ts'
import type { QueryPlan } from './query-plan.ts'
import { type RoutedTransaction, touches } from './routed-transaction.ts'
import type { Querier } from './snapshot-query.ts'
import type { RowChange } from './transaction.ts'
import { createValueSet, type ValueDelta, type ValueSet } from './value-set.ts'

/** A change of one row, as members of a set see it. */
export interface MemberChange {
  readonly position: number
  readonly old: RowText | undefined
  readonly oldTags: MemberState | undefined
  readonly row: RowText | undefined
  readonly state: MemberState | undefined
}

/** What a transaction did to a set, in the order clients must hear of it. */
export interface MemberDelta {
  readonly movedOut: readonly RawPattern[]
  readonly changes: readonly MemberChange[]
  readonly movedIn: readonly RawPattern[]
  readonly rows: readonly { readonly row: RowText; readonly state: MemberState }[]
  /** The snapshot that the rows come from. */
  readonly bounds: SnapshotBounds | undefined
}

/** The rows that satisfy a condition with subqueries, kept up to date from the stream. */
export interface MemberSet {
  readonly plan: QueryPlan
  /** The values of a subquery. */
  readonly values: ValueSet
  /** Reads everything within one snapshot; `onRow` gets the rows of this set in batches. */
  load(client: Querier, onRows?: (rows: readonly SelectedRow[]) => void): Promise<void>
  apply(transaction: RoutedTransaction): MemberDelta | Promise<MemberDelta>
  stateOf(row: RowText, leafTruth: LeafTruth): MemberState
  /** Bytes it takes in memory, roughly, those of its subqueries included. */
  readonly size: number
  /** Gives back what it shares with other sets; it is of no use any more. */
  release(): void
}

/** Asks Postgres for the rows that values moved in. */
export type MoveInQuery = (
  query: (client: Querier) => Promise<{ bounds: SnapshotBounds; rows: readonly SelectedRow[] }>,
) => Promise<{ bounds: SnapshotBounds; rows: readonly SelectedRow[] }>

/**
 * Creates the set of a plan, those of its subqueries included.
 *
 * The truth is mirrored, not assumed: the set holds exactly the keys that clients hold, so a row that a
 * query brought early, or a transaction that a query already saw, is neither sent twice nor lost.
 *
 * @param columns - the columns rows must carry, keys and compared columns aside.
 * @param pool - where the rows of subqueries are, for all sets.
 * @example
 * const set = createMemberSet(plan, ['id', 'title'], moveInQuery, createInnerMembers())
 */
export function createMemberSet(
  plan: QueryPlan,
  columns: readonly string[],
  moveIn: MoveInQuery,
  pool: InnerMembers,
): MemberSet {
  const values = createValueSet()
  const subsets = plan.subqueries.map((subquery) =>
    createMemberSet(subquery, subquery.columns, moveIn, pool),
  )
  const members = createMemberRows(plan, values, pool)
  const reader = createStateReader(plan, (subquery) => (subsets[subquery] as MemberSet).values)
  const mayMoveRows = createMoveFilter(plan)

  async function load(client: Querier, onRows?: (rows: readonly SelectedRow[]) => void) {
    for (const subset of subsets) await subset.load(client)
    await loadMembers(client, plan, columns, (rows) => {
      for (const { row, truth } of rows) {
        members.enter(members.keyOf(row), row, reader.stateOf(row, truth))
      }
      onRows?.(rows)
    })
    values.takeDelta()
  }

  function apply(transaction: RoutedTransaction): MemberDelta | Promise<MemberDelta> {
    const inner = subsets.map((subset) => {
      if (!touches(transaction, subset.plan)) return undefined
      const delta = subset.apply(transaction)
      return delta instanceof Promise
        ? delta.then(() => subset.values.takeDelta())
        : subset.values.takeDelta()
    })
    if (inner.some((delta) => delta instanceof Promise)) {
      return Promise.all(inner).then((deltas) => applyOuter(transaction, deltas))
    }
    return applyOuter(transaction, inner as (ValueDelta | undefined)[])
  }

  function applyOuter(
    transaction: RoutedTransaction,
    inner: readonly (ValueDelta | undefined)[],
  ): MemberDelta | Promise<MemberDelta> {
    const moves = movesOf(plan, inner)
    const movedOut = patternsOf(moves.map((move) => move?.off))
    const on = moves.map((move) => move?.on)
    const movedIn = patternsOf(on)
    members.deactivate(moves)
    const changes = applyChanges(transaction, moves)
    if (!movedIn.some(mayMoveRows)) {
      return { movedOut, changes, movedIn, rows: [], bounds: undefined }
    }
    return moveIn((client) => readMovedIn(client, plan, columns, subsets, on)).then(
      ({ bounds, rows }) => {
        members.activate(on)
        return { movedOut, changes, movedIn, rows: admit(rows, bounds), bounds }
      },
    )
  }

  function applyChanges(
    transaction: RoutedTransaction,
    moves: readonly (Move | undefined)[],
  ): MemberChange[] {
    const frozen = moves.map((move) => move && new Set([...move.on, ...move.off]))
    const known = (member: Member | undefined) =>
      member?.since !== undefined && isVisible(member.since, transaction.xid)
    const read = (row: RowText) => {
      const truth = (sql: string) => transaction.verdict(row, sql)
      const state = reader.stateOf(row, truth, frozen)
      return reader.isMember(row, state, truth) ? state : undefined
    }

    function applyChange({ old, row, position }: RowChange): MemberChange | undefined {
      const oldKey = old && members.keyOf(old)
      const newKey = row && members.keyOf(row)
      const before = oldKey === undefined ? undefined : members.get(oldKey)
      const wasMember = before !== undefined && !known(before)
      const skipNew = newKey !== undefined && known(members.get(newKey))
      if (wasMember && oldKey !== undefined) members.leave(oldKey)
      const state = row && !skipNew ? read(row) : undefined
      if (row && newKey !== undefined && state) members.enter(newKey, row, state)
      if (!wasMember && !state) return undefined
      return {
        position,
        old: wasMember ? old : undefined,
        oldTags: wasMember ? { active: before.active, values: before.values } : undefined,
        row: state ? row : undefined,
        state,
      }
    }

    const changes = transaction.changesOf(plan.table.oid).map(applyChange)
    return changes.filter((change) => change !== undefined)
  }

  /** Takes in the rows that a query found, those apart that clients hold already. */
  function admit(rows: readonly SelectedRow[], bounds: SnapshotBounds) {
    const entered: { row: RowText; state: MemberState }[] = []
    for (const { row, truth } of rows) {
      const key = members.keyOf(row)
      if (members.get(key)) continue
      const state = reader.stateOf(row, truth)
      members.enter(key, row, state, bounds)
      entered.push({ row, state })
    }
    return entered
  }

  return {
    plan,
    values,
    load,
    apply,
    stateOf: (row, leafTruth) => reader.stateOf(row, leafTruth),
    get size() {
      return subsets.reduce((sum, subset) => sum + subset.size, members.bytes)
    },
    release() {
      members.release()
      for (const subset of subsets) subset.release()
    },
  }
}
