import { type RowText, rowKey } from '../../shape-log/row-key.ts'
import { isVisible, type SnapshotBounds } from '../../shape-log/snapshot-visibility.ts'
import { type InnerMembers, type Member, noConditions } from './inner-members.ts'
import { loadMembers, readMovedIn, type SelectedRow } from './member-queries.ts'
import type { QueryPlan, SubqueryPlan } from './query-plan.ts'
import type { RoutedTransaction } from './routed-transaction.ts'
import { touches } from './routed-transaction.ts'
import type { Querier } from './snapshot-query.ts'
import {
  createValueSet,
  type ValueDelta,
  type ValueReader,
  type ValueSet,
  valueReader,
} from './value-set.ts'
import { decideTree, type Leaf, requiredTexts, type Truth } from './where/condition.ts'

/** A change of one row, as members of a set see it. */
export interface MemberChange {
  readonly position: number
  readonly old: RowText | undefined
  readonly oldTags: MemberState | undefined
  readonly row: RowText | undefined
  readonly state: MemberState | undefined
}

/** Which values a member has at the subquery positions, and which conditions hold for it. */
export interface MemberState {
  /** By position; undefined at plain conditions. */
  readonly values: readonly (string | null | undefined)[]
  readonly active: readonly boolean[]
}

/** A value at a position, before it is named for clients. */
export interface RawPattern {
  readonly pos: number
  /** Null stands for the rows whose compared column is null. */
  readonly value: string | null
}

/** Values whose condition turns on or off at a position. */
export type MovedValues = ReadonlySet<string | null>

interface Move {
  readonly on: MovedValues
  readonly off: MovedValues
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
  stateOf(row: RowText, leafTruth: (sql: string) => Truth): MemberState
  /** Bytes it takes in memory, roughly, those of its subqueries included. */
  readonly size: number
  /** Gives back what it shares with other sets; it is of no use any more. */
  release(): void
}

/** What a row takes in a set, and in the pool that all sets share: measured, with texts of 36 characters. */
const memberBytes = 400
const sharedMemberBytes = 100

/** Asks Postgres for the rows that values moved in. */
export type MoveInQuery = (
  query: (client: Querier) => Promise<{ bounds: SnapshotBounds; rows: readonly SelectedRow[] }>,
) => Promise<{ bounds: SnapshotBounds; rows: readonly SelectedRow[] }>

const plainState: MemberState = { values: [], active: noConditions }

/** The set cannot go on: the shape must be fetched anew. */
class MembershipLost extends Error {
  override name = 'MembershipLost'
}

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
  const members = new Map<string, Member>()
  const values = createValueSet()
  const subsets = plan.subqueries.map((subquery) =>
    createMemberSet(subquery, subquery.columns, moveIn, pool),
  )
  const positions = plan.form?.positions ?? []
  const isShared = positions.length === 0
  let released = false
  const required = requiredTexts(plan.condition)
  const leafReaders = (plan.condition?.leaves ?? []).map((leaf) => {
    if (leaf.kind !== 'membership') return undefined
    return valueReader(
      plan.table,
      leaf.membership.columns.map((column) => column.name),
    )
  })
  const compared = positions.map(({ leaf }) => leafReaders[leaf])
  const selected =
    'columns' in plan ? valueReader(plan.table, (plan as SubqueryPlan).columns) : undefined
  const keyOf = (row: RowText) => rowKey(plan.table.relation, plan.table.keyColumns, row)

  function stateOf(
    row: RowText,
    leafTruth: (sql: string) => Truth,
    frozen?: readonly (MovedValues | undefined)[],
  ): MemberState {
    if (positions.length === 0) return plainState
    const read = compared.map((reader) => reader?.(row))
    const active = positions.map(({ leaf, negated }, pos) => {
      const value = read[pos]
      if (value !== undefined && frozen?.[pos]?.has(value)) return false
      const truth = leafValue(leaf, row, leafTruth)
      return truth !== null && truth !== negated
    })
    return { values: read, active }
  }

  function leafValue(leaf: number, row: RowText, leafTruth: (sql: string) => Truth): Truth {
    const part = plan.condition?.leaves[leaf]
    if (!part) return null
    if (part.kind === 'test') return part.test(row)
    if (part.kind === 'sql') return leafTruth(part.sql)
    const reader = leafReaders[leaf] as ValueReader
    return (subsets[part.membership.subquery] as MemberSet).values.contains(reader(row))
  }

  function isMember(row: RowText, state: MemberState, leafTruth: (sql: string) => Truth): boolean {
    if (plan.form) {
      return plan.form.disjuncts.some((disjunct) => disjunct.every((pos) => state.active[pos]))
    }
    if (!plan.condition) return true
    return decideTree(plan.condition.tree, (leaf) => leafValue(leaf, row, leafTruth)) === true
  }

  function enter(key: string, row: RowText, state: MemberState, since?: SnapshotBounds) {
    leave(key)
    // A snapshot may still be read for a shape that has expired.
    if (released) return
    const value = selected?.(row) ?? null
    if (isShared) {
      const shared = pool.share(key, value)
      members.set(shared.key, shared)
      values.add(shared.selected)
      return
    }
    const member = { active: [...state.active], values: state.values, selected: value, since }
    members.set(key, member)
    if (selected) values.add(member.selected)
  }

  function leave(key: string) {
    const member = members.get(key)
    if (!member) return
    members.delete(key)
    if (selected) values.remove(member.selected)
    if (isShared) pool.release(key, member)
  }

  function release() {
    released = true
    for (const [key, member] of isShared ? members : []) pool.release(key, member)
    members.clear()
    for (const subset of subsets) subset.release()
  }

  async function load(client: Querier, onRows?: (rows: readonly SelectedRow[]) => void) {
    for (const subset of subsets) await subset.load(client)
    await loadMembers(client, plan, columns, (rows) => {
      for (const { row, truth } of rows) enter(keyOf(row), row, stateOf(row, truth))
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
    const moves = movesOf(inner)
    const movedOut = patternsOf(moves.map((move) => move?.off))
    const movedIn = patternsOf(moves.map((move) => move?.on))
    deactivate(moves)
    const changes = applyChanges(transaction, moves)
    if (movedIn.length === 0) return { movedOut, changes, movedIn, rows: [], bounds: undefined }
    const onSets = moves.map((move) => move?.on)
    if (!movedIn.some(mayMatchRows)) {
      return { movedOut, changes, movedIn, rows: [], bounds: undefined }
    }
    return moveIn((client) => readMovedIn(client, plan, columns, subsets, onSets)).then(
      ({ bounds, rows }) => {
        const entered = activate(onSets, rows, bounds)
        return { movedOut, changes, movedIn, rows: entered, bounds }
      },
    )
  }

  /** `session_id = 's1' AND session_id IN (…)`: that other sessions came in moves no row. */
  function mayMatchRows({ pos, value }: RawPattern): boolean {
    const part = plan.condition?.leaves[positions[pos]?.leaf ?? -1]
    const columns = part?.kind === 'membership' ? part.membership.columns : []
    if (columns.length !== 1) return true
    return required.every(({ column, text }) => column !== columns[0]?.name || text === value)
  }

  /** Per position, the values whose condition turns on, and off. */
  function movesOf(inner: readonly (ValueDelta | undefined)[]): (Move | undefined)[] {
    return positions.map(({ leaf, negated }) => {
      const part = plan.condition?.leaves[leaf]
      const delta = part?.kind === 'membership' ? inner[part.membership.subquery] : undefined
      if (!delta || !negated) return delta && { on: delta.added, off: delta.removed }
      if (delta.hasNullChanged) {
        throw new MembershipLost('a NOT IN subquery gained its first null or lost its last')
      }
      const on = new Set<string | null>(delta.removed)
      const off = new Set<string | null>(delta.added)
      if (canBeNull(part)) {
        if (delta.emptiness === 'now-empty') on.add(null)
        if (delta.emptiness === 'now-filled') off.add(null)
      }
      return { on, off }
    })
  }

  function canBeNull(leaf: Leaf | undefined): boolean {
    if (leaf?.kind !== 'membership') return false
    const names = leaf.membership.columns.map((column) => column.name)
    return plan.table.columns.some((column) => names.includes(column.name) && !column.notNull)
  }

  function deactivate(moves: readonly (Move | undefined)[]) {
    if (!moves.some((move) => move && move.off.size > 0)) return
    for (const [key, member] of members) {
      for (const [pos, move] of moves.entries()) {
        const value = member.values[pos]
        if (value !== undefined && move?.off.has(value)) member.active[pos] = false
      }
      if (!plan.form?.disjuncts.some((disjunct) => disjunct.every((pos) => member.active[pos]))) {
        leave(key)
      }
    }
  }

  function applyChanges(
    transaction: RoutedTransaction,
    moves: readonly (Move | undefined)[],
  ): MemberChange[] {
    const frozen = moves.map((move) => move && new Set([...move.on, ...move.off]))
    const changes: MemberChange[] = []
    for (const { old, row, position } of transaction.changesOf(plan.table.oid)) {
      const oldKey = old && keyOf(old)
      const newKey = row && keyOf(row)
      const before = oldKey === undefined ? undefined : members.get(oldKey)
      const known = (member: Member | undefined) =>
        member?.since !== undefined && isVisible(member.since, transaction.xid)
      const wasMember = before !== undefined && !known(before)
      const skipNew = newKey !== undefined && known(members.get(newKey))
      if (wasMember && oldKey !== undefined) leave(oldKey)
      let state: MemberState | undefined
      if (row && newKey !== undefined && !skipNew) {
        const truth = (sql: string) => transaction.verdict(row, sql)
        const found = stateOf(row, truth, frozen)
        if (isMember(row, found, truth)) {
          state = found
          enter(newKey, row, found)
        }
      }
      if (!wasMember && !state) continue
      changes.push({
        position,
        old: wasMember ? old : undefined,
        oldTags: wasMember ? { active: before.active, values: before.values } : undefined,
        row: state ? row : undefined,
        state,
      })
    }
    return changes
  }

  function activate(
    on: readonly (MovedValues | undefined)[],
    rows: readonly SelectedRow[],
    bounds: SnapshotBounds,
  ) {
    for (const member of members.values()) {
      for (const [pos, set] of on.entries()) {
        const value = member.values[pos]
        if (value !== undefined && set?.has(value)) member.active[pos] = true
      }
    }
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
      const own = members.size * (isShared ? sharedMemberBytes : memberBytes)
      return subsets.reduce((sum, subset) => sum + subset.size, own)
    },
    release,
  }
}

function patternsOf(sets: readonly (MovedValues | undefined)[]): RawPattern[] {
  return sets.flatMap((set, pos) => [...(set ?? [])].map((value) => ({ pos, value })))
}
