import type { Pool } from 'pg'
import { type RowText, rowKey } from '../protocol/messages.ts'
import { isVisible, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import type { Querier } from './connection.ts'
import type { QueryPlan, SubqueryPlan } from './query-plan.ts'
import { readMovedIn, readRows, type SelectedRow } from './row-queries.ts'
import { type RoutedTransaction, type RowChange, touches } from './transaction.ts'
import {
  createValueSet,
  type ValueDelta,
  type ValueReader,
  type ValueSet,
  valueParts,
  valueReader,
} from './value-set.ts'
import { decideTree, type Leaf, requiredTexts, type Truth } from './where/condition.ts'

/** The state of a row at the positions of its condition (see `RowTags`). */
export interface MemberState {
  /** The row's value at each subquery position; undefined at plain conditions. */
  readonly values: readonly (string | null | undefined)[]
  /** True at the positions whose condition holds. */
  readonly active: readonly boolean[]
}

/** A value at a position whose condition turned on or off. Null stands for rows whose column is null. */
export interface MovedValue {
  readonly pos: number
  readonly value: string | null
}

/** A change of one row, with the states of the sides that belong to the set. */
export interface MemberChange {
  readonly position: number
  readonly old: RowText | undefined
  readonly oldState: MemberState | undefined
  readonly row: RowText | undefined
  readonly state: MemberState | undefined
}

/** The effect of a transaction on a set, in the order in which clients apply it. */
export interface MemberDelta {
  readonly movedOut: readonly MovedValue[]
  readonly changes: readonly MemberChange[]
  readonly movedIn: readonly MovedValue[]
  /** True if `movedIn` comes from rows that themselves moved into a subquery. */
  readonly isNested: boolean
  /** Rows that became visible because of `movedIn`. */
  readonly rows: readonly { readonly row: RowText; readonly state: MemberState }[]
  /** The snapshot that `rows` come from. */
  readonly bounds: SnapshotBounds | undefined
}

/** The rows that satisfy a condition with subqueries, kept up to date from the stream. */
export interface MemberSet {
  readonly plan: QueryPlan
  /** The values of a subquery. */
  readonly values: ValueSet
  /** Reads all rows, those of subqueries first. Call it within a snapshot. */
  load(client: Querier, onRow?: (row: SelectedRow, state: MemberState) => void): Promise<void>
  /** Applies a transaction. Asynchronous only if Postgres has to be asked for rows that move in. */
  apply(transaction: RoutedTransaction): MemberDelta | Promise<MemberDelta>
  stateOf(row: RowText, sqlTruth: SqlTruth): MemberState
  /** Approximate memory in bytes, subqueries included. */
  readonly size: number
}

/** Returns Postgres's result of an SQL condition for the row at hand. */
type SqlTruth = (sql: string) => Truth

type Values = ReadonlySet<string | null>

/** The values at a position whose condition a transaction turned on and off. */
interface Move {
  readonly on: Values
  readonly off: Values
}

interface Member {
  readonly active: boolean[]
  readonly values: readonly (string | null | undefined)[]
  /** The value that the row contributes to its subquery. */
  readonly selected: string | null
  /** The snapshot of a moved-in row: changes that it contains must not be applied again. */
  readonly since: SnapshotBounds | undefined
}

/** Approximate memory of a row in a set. */
const MEMBER_BYTES = 400

/**
 * Creates the set of a plan and the sets of its subqueries.
 *
 * The set contains exactly the keys that clients hold. So a row that a query brought early, or a
 * transaction that a query already saw, is neither sent twice nor lost.
 *
 * @param columns the columns that rows must carry, besides keys and compared columns
 */
export function createMemberSet(
  plan: QueryPlan,
  columns: readonly string[],
  pool: Pool,
): MemberSet {
  const values = createValueSet()
  const subsets = plan.subqueries.map((subquery) =>
    createMemberSet(subquery, subquery.columns, pool),
  )
  const members = new Map<string, Member>()
  const selectedValue =
    'columns' in plan ? valueReader(plan.table, (plan as SubqueryPlan).columns) : undefined
  const { stateOf, isMember } = stateReader(
    plan,
    subsets.map((subset) => subset.values),
  )
  const keyOf = (row: RowText) => rowKey(plan.table.relation, plan.table.keyColumns, row)

  function enter(key: string, row: RowText, state: MemberState, since?: SnapshotBounds): void {
    leave(key)
    const selected = selectedValue?.(row) ?? null
    members.set(key, { active: [...state.active], values: state.values, selected, since })
    if (selectedValue) values.add(selected)
  }

  function leave(key: string): void {
    const member = members.get(key)
    if (!member) return
    members.delete(key)
    if (selectedValue) values.remove(member.selected)
  }

  async function load(
    client: Querier,
    onRow?: (row: SelectedRow, state: MemberState) => void,
  ): Promise<void> {
    for (const subset of subsets) await subset.load(client)
    await readRows(client, plan, columns, (selected) => {
      const state = stateOf(selected.row, selected.truth)
      enter(keyOf(selected.row), selected.row, state)
      onRow?.(selected, state)
    })
    values.takeDelta()
  }

  function apply(transaction: RoutedTransaction): MemberDelta | Promise<MemberDelta> {
    const applied = subsets.map((subset) =>
      touches(transaction, subset.plan) ? subset.apply(transaction) : undefined,
    )
    const finish = (deltas: readonly (MemberDelta | undefined)[]) => {
      const isNested = deltas.some((delta) => delta && delta.rows.length > 0)
      const values = deltas.map((delta, i) => delta && subsets[i]?.values.takeDelta())
      return applyOwn(transaction, values, isNested)
    }
    return applied.some((delta) => delta instanceof Promise)
      ? Promise.all(applied).then(finish)
      : finish(applied as (MemberDelta | undefined)[])
  }

  /** Applies a transaction after it has been applied to the subqueries. */
  function applyOwn(
    transaction: RoutedTransaction,
    deltas: readonly (ValueDelta | undefined)[],
    isNested: boolean,
  ): MemberDelta | Promise<MemberDelta> {
    const moves = movesOf(plan, deltas)
    const on = moves.map((move) => move?.on)
    const movedOut = movedValues(moves.map((move) => move?.off))
    const movedIn = movedValues(on)
    if (movedOut.length > 0) deactivate(moves)
    const changes = applyChanges(transaction, moves)
    if (!movedIn.some((moved) => mayMoveRows(plan, moved))) {
      return { movedOut, changes, movedIn, isNested, rows: [], bounds: undefined }
    }
    return readMovedIn(pool, plan, columns, subsets, on).then(({ bounds, rows }) => {
      activate(on)
      return { movedOut, changes, movedIn, isNested, rows: admit(rows, bounds), bounds }
    })
  }

  /** Turns conditions off, and removes the rows that no disjunct keeps. */
  function deactivate(moves: readonly (Move | undefined)[]): void {
    for (const [key, member] of members) {
      for (const [pos, move] of moves.entries()) {
        const value = member.values[pos]
        if (value !== undefined && move?.off.has(value)) member.active[pos] = false
      }
      if (!satisfies(plan, member.active)) leave(key)
    }
  }

  function activate(on: readonly (Values | undefined)[]): void {
    for (const member of members.values()) {
      for (const [pos, set] of on.entries()) {
        const value = member.values[pos]
        if (value !== undefined && set?.has(value)) member.active[pos] = true
      }
    }
  }

  function applyChanges(
    transaction: RoutedTransaction,
    moves: readonly (Move | undefined)[],
  ): MemberChange[] {
    // Conditions on moving values count as false: the move events cover those rows.
    const frozen = moves.map((move) => move && new Set([...move.on, ...move.off]))
    const isApplied = (member: Member | undefined) =>
      member?.since !== undefined && isVisible(member.since, transaction.xid)
    const newState = (row: RowText) => {
      const truth = (sql: string) => transaction.verdict(row, sql)
      const state = stateOf(row, truth, frozen)
      return isMember(row, state, truth) ? state : undefined
    }

    function applyChange({ old, row, position }: RowChange): MemberChange | undefined {
      const oldKey = old && keyOf(old)
      const newKey = row && keyOf(row)
      const before = oldKey === undefined ? undefined : members.get(oldKey)
      const wasMember = before !== undefined && !isApplied(before)
      const skipNew = newKey !== undefined && isApplied(members.get(newKey))
      if (wasMember && oldKey !== undefined) leave(oldKey)
      const state = row && !skipNew ? newState(row) : undefined
      if (row && newKey !== undefined && state) enter(newKey, row, state)
      if (!wasMember && !state) return undefined
      return {
        position,
        old: wasMember ? old : undefined,
        oldState: wasMember ? { active: before.active, values: before.values } : undefined,
        row: state ? row : undefined,
        state,
      }
    }

    const changes = transaction.changesOf(plan.table.oid).map(applyChange)
    return changes.filter((change) => change !== undefined)
  }

  /** Adds the rows that a query found, except those that clients already hold. */
  function admit(rows: readonly SelectedRow[], bounds: SnapshotBounds) {
    const entered: { row: RowText; state: MemberState }[] = []
    for (const { row, truth } of rows) {
      const key = keyOf(row)
      if (members.has(key)) continue
      const state = stateOf(row, truth)
      enter(key, row, state, bounds)
      entered.push({ row, state })
    }
    return entered
  }

  return {
    plan,
    values,
    load,
    apply,
    stateOf,
    get size() {
      return subsets.reduce((sum, subset) => sum + subset.size, members.size * MEMBER_BYTES)
    },
  }
}

/** Creates the functions that decide the conditions of a plan with the subqueries' present values. */
function stateReader(plan: QueryPlan, subqueryValues: readonly ValueSet[]) {
  const positions = plan.form?.positions ?? []
  const leaves = plan.condition?.leaves ?? []
  const readers = leaves.map((leaf) => {
    if (leaf.kind !== 'membership') return undefined
    const names = leaf.membership.columns.map((column) => column.name)
    return valueReader(plan.table, names)
  })

  function leafTruth(index: number, row: RowText, sqlTruth: SqlTruth): Truth {
    const leaf = leaves[index]
    if (!leaf) return null
    if (leaf.kind === 'test') return leaf.test(row)
    if (leaf.kind === 'sql') return sqlTruth(leaf.sql)
    const value = (readers[index] as ValueReader)(row)
    return (subqueryValues[leaf.membership.subquery] as ValueSet).contains(value)
  }

  return {
    /** @param frozen per position, the values whose condition counts as false */
    stateOf(
      row: RowText,
      sqlTruth: SqlTruth,
      frozen?: readonly (Values | undefined)[],
    ): MemberState {
      const values = positions.map(({ leaf }) => readers[leaf]?.(row))
      const active = positions.map(({ leaf, negated }, pos) => {
        const value = values[pos]
        if (value !== undefined && frozen?.[pos]?.has(value)) return false
        const truth = leafTruth(leaf, row, sqlTruth)
        return truth !== null && truth !== negated
      })
      return { values, active }
    },
    isMember(row: RowText, state: MemberState, sqlTruth: SqlTruth): boolean {
      if (plan.form) return satisfies(plan, state.active)
      if (!plan.condition) return true
      return decideTree(plan.condition.tree, (leaf) => leafTruth(leaf, row, sqlTruth)) === true
    },
  }
}

/** Returns whether some disjunct of a plan has all its positions active. */
function satisfies(plan: QueryPlan, active: readonly boolean[]): boolean {
  return plan.form?.disjuncts.some((disjunct) => disjunct.every((pos) => active[pos])) ?? false
}

/**
 * Returns per position of a plan the values whose condition turned on and off.
 *
 * @param deltas the changes of each subquery; undefined if there were none
 * @throws when a `NOT IN` changed for every row: the shape has to be fetched again
 */
function movesOf(
  plan: QueryPlan,
  deltas: readonly (ValueDelta | undefined)[],
): (Move | undefined)[] {
  return (plan.form?.positions ?? []).map(({ leaf, negated }) => {
    const part = plan.condition?.leaves[leaf]
    const delta = part?.kind === 'membership' ? deltas[part.membership.subquery] : undefined
    if (!delta || !negated) return delta && { on: delta.added, off: delta.removed }
    if (delta.hasNullChanged) {
      throw new Error('a NOT IN subquery gained its first null or lost its last')
    }
    const on = new Set<string | null>(delta.removed)
    const off = new Set<string | null>(delta.added)
    if (comparesNullable(plan, part)) {
      if (delta.emptiness === 'now-empty') on.add(null)
      if (delta.emptiness === 'now-filled') off.add(null)
    }
    return { on, off }
  })
}

function comparesNullable(plan: QueryPlan, leaf: Leaf | undefined): boolean {
  if (leaf?.kind !== 'membership') return false
  const names = leaf.membership.columns.map((column) => column.name)
  return plan.table.columns.some((column) => names.includes(column.name) && !column.notNull)
}

function movedValues(sets: readonly (Values | undefined)[]): MovedValue[] {
  return sets.flatMap((set, pos) => [...(set ?? [])].map((value) => ({ pos, value })))
}

/**
 * Returns whether a value that turned on can move rows of a plan. For example,
 * `session_id = 's1' AND session_id IN (…)` has no rows with another session.
 */
function mayMoveRows(plan: QueryPlan, { pos, value }: MovedValue): boolean {
  const leaf = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
  if (leaf?.kind !== 'membership' || value === null) return true
  const parts = valueParts(value)
  return requiredTexts(plan.condition).every(({ column, text }) => {
    const part = leaf.membership.columns.findIndex(({ name }) => name === column)
    return part === -1 || parts[part] === text
  })
}
