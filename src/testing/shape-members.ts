import { type Condition, evaluateLeaf, type Leaf, matches } from '../access/condition.ts'
import type { RowText } from '../dev/protocol/messages.ts'
import { SessionDbError } from '../errors.ts'
import type { CommittedTransaction, RowSource, TableChange } from './row-source.ts'

/** A row in the shape, and which of the conditions hold for it, by position. */
export interface Member {
  readonly row: RowText
  readonly on: readonly boolean[]
}

/** A value that entered or left the subquery at a position. */
export interface MovedValue {
  readonly pos: number
  readonly value: string
}

/** A change of the table as it affects the shape. */
export interface MemberChange {
  /** Its index among all changes of the transaction. */
  readonly index: number
  readonly old: Member | undefined
  readonly now: Member | undefined
}

/** A transaction's effect on a shape, in the order in which clients apply it. */
export interface MemberDelta {
  readonly movedOut: readonly MovedValue[]
  readonly changes: readonly MemberChange[]
  readonly movedIn: readonly MovedValue[]
  /** Rows that entered the shape with the values in `movedIn`. */
  readonly entered: readonly Member[]
}

/** The rows of one shape, as its clients have them. */
export interface ShapeMembers {
  /** Loads and returns the rows of the shape. */
  load(): Iterable<Member>
  apply(transaction: CommittedTransaction): MemberDelta
}

/** The values that enter and leave one subquery; undefined for other conditions. */
type Move = { readonly on: ReadonlySet<string>; readonly off: ReadonlySet<string> } | undefined

const NO_MOVES: readonly Move[] = []

/**
 * Creates the members of a shape, empty until `load`.
 *
 * @param shape.keyOf returns the key of a row
 * @example
 * const members = createShapeMembers({ table: 'chat_messages', condition, form, keyOf }, source)
 */
export function createShapeMembers(
  shape: {
    readonly table: string
    readonly condition: Condition
    readonly form: ConditionForm
    readonly keyOf: (row: RowText) => string
  },
  source: RowSource,
): ShapeMembers {
  const { leaves, disjuncts } = shape.form
  const innerTables = new Set(subqueryTables(shape.condition))
  const members = new Map<string, Member>()
  let values = leaves.map(() => undefined as ReadonlySet<string> | undefined)

  const belongs = ({ on }: Member) =>
    disjuncts.some((disjunct) => disjunct.every((position) => on[position]))

  /** A value that is moving in or out counts as outside, because move events announce it. */
  function memberOf(row: RowText, moves: readonly Move[]): Member {
    const on = leaves.map(({ leaf, isNegated }, position) => {
      const value = row[leaf.column] ?? null
      if (leaf.kind !== 'inSubquery') return evaluateLeaf(leaf, value) === !isNegated
      if (value === null || moves[position]?.on.has(value)) return false
      return values[position]?.has(value) === true
    })
    return { row, on }
  }

  function valuesOf({ leaf }: FormLeaf): ReadonlySet<string> | undefined {
    if (leaf.kind !== 'inSubquery') return undefined
    const found = new Set<string>()
    for (const row of source.rowsOf(leaf.table)) {
      const value = row[leaf.select]
      if (value != null && matches(leaf.where, row, source.rowsOf)) found.add(value)
    }
    return found
  }

  function moveValues(): readonly Move[] {
    const before = values
    values = leaves.map(valuesOf)
    return values.map((now, position) => {
      const was = before[position]
      return now && was && { on: without(now, was), off: without(was, now) }
    })
  }

  const isMoved = (row: RowText, position: number, moved: ReadonlySet<string> | undefined) =>
    moved?.has(row[leaves[position]?.leaf.column ?? ''] ?? '') === true

  function turnOff(moves: readonly Move[]): void {
    for (const [key, { row, on }] of members) {
      const left = on.map((was, position) => was && !isMoved(row, position, moves[position]?.off))
      const member = { row, on: left }
      if (belongs(member)) members.set(key, member)
      else members.delete(key)
    }
  }

  function change({ old, row }: TableChange, index: number, moves: readonly Move[]): MemberChange {
    const oldKey = old && shape.keyOf(old)
    const was = oldKey === undefined ? undefined : members.get(oldKey)
    if (oldKey !== undefined) members.delete(oldKey)
    const now = row && memberOf(row, moves)
    if (!now || !belongs(now)) return { index, old: was, now: undefined }
    members.set(shape.keyOf(now.row), now)
    return { index, old: was, now }
  }

  function turnOn(moves: readonly Move[]): Member[] {
    const entered: Member[] = []
    for (const row of source.rowsOf(shape.table)) {
      if (!moves.some((move, position) => isMoved(row, position, move?.on))) continue
      const member = memberOf(row, NO_MOVES)
      if (!belongs(member)) continue
      if (!members.has(shape.keyOf(row))) entered.push(member)
      members.set(shape.keyOf(row), member)
    }
    return entered
  }

  return {
    *load() {
      values = leaves.map(valuesOf)
      for (const row of source.rowsOf(shape.table)) {
        const member = memberOf(row, NO_MOVES)
        if (!belongs(member)) continue
        members.set(shape.keyOf(row), member)
        yield member
      }
    },
    apply({ changes }) {
      const isInnerTouched = changes.some(({ table }) => innerTables.has(table))
      const moves = isInnerTouched ? moveValues() : NO_MOVES
      const movedOut = movedValues(moves, 'off')
      const movedIn = movedValues(moves, 'on')
      if (movedOut.length > 0) turnOff(moves)
      const seen = changes.flatMap((entry, index) => {
        if (entry.table !== shape.table) return []
        const found = change(entry, index, moves)
        return found.old || found.now ? [found] : []
      })
      return { movedOut, changes: seen, movedIn, entered: movedIn.length > 0 ? turnOn(moves) : [] }
    },
  }
}

function movedValues(moves: readonly Move[], side: 'on' | 'off'): MovedValue[] {
  return moves.flatMap((move, pos) => [...(move?.[side] ?? [])].map((value) => ({ pos, value })))
}

function without(one: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...one].filter((value) => !other.has(value)))
}

/** A condition on one column, or its negation. */
export interface FormLeaf {
  readonly leaf: Leaf
  readonly isNegated: boolean
}

/** A condition as an OR of ANDs. A leaf's index is the position that tags and move events refer to. */
export interface ConditionForm {
  /** In the order in which the where clause has them. */
  readonly leaves: readonly FormLeaf[]
  /** A row belongs to the shape when all leaves of one disjunct hold for it. */
  readonly disjuncts: readonly (readonly number[])[]
}

/**
 * Brings a condition into the form that tags are made of.
 *
 * @throws SessionDbError `invalid` for a negated subquery
 * @example
 * conditionForm(where.or(where.eq('public', true), where.inArray('id', grants))).disjuncts // [[0], [1]]
 */
export function conditionForm(condition: Condition): ConditionForm {
  const leaves: FormLeaf[] = []

  function expand(node: Condition, isNegated: boolean): number[][] {
    if (node.kind === 'not') return expand(node.condition, !isNegated)
    if (node.kind === 'and' || node.kind === 'or') {
      const parts = node.conditions.map((part) => expand(part, isNegated))
      return (node.kind === 'or') !== isNegated ? parts.flat() : conjunction(parts)
    }
    if (isNegated && node.kind === 'inSubquery') {
      throw new SessionDbError(
        'invalid',
        `The shape mock cannot follow where.not() around the subquery on ${node.table}. ` +
          'Test this shape with @org/session-db/dev.',
      )
    }
    return [[leaves.push({ leaf: node, isNegated }) - 1]]
  }

  const disjuncts = expand(condition, false)
  return { leaves, disjuncts }
}

function conjunction(parts: readonly number[][][]): number[][] {
  return parts.reduce(
    (all, next) => all.flatMap((one) => next.map((other) => [...one, ...other])),
    [[]],
  )
}

/** The tables that a condition's subqueries read, at any depth. */
function subqueryTables(condition: Condition): string[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.conditions.flatMap(subqueryTables)
    case 'not':
      return subqueryTables(condition.condition)
    case 'inSubquery':
      return [condition.table, ...subqueryTables(condition.where)]
    default:
      return []
  }
}
