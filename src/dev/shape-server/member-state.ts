import type { RowText } from '../protocol/row-key.ts'
import type { QueryPlan } from './query-plan.ts'
import { type ValueReader, type ValueSet, valueReader } from './value-set.ts'
import { decideTree, type Truth } from './where/condition.ts'

/** Which values a member has at the subquery positions, and which conditions hold for it. */
export interface MemberState {
  /** By position; undefined at plain conditions. */
  readonly values: readonly (string | null | undefined)[]
  readonly active: readonly boolean[]
}

/** Values whose condition turns on or off at a position. */
export type MovedValues = ReadonlySet<string | null>

/** What Postgres says of a row. */
export type LeafTruth = (sql: string) => Truth

/** Tells what holds for a row of a plan, its subqueries having the values that they have now. */
export interface StateReader {
  /** @param frozen - per position, values whose condition counts as false. */
  stateOf(
    row: RowText,
    leafTruth: LeafTruth,
    frozen?: readonly (MovedValues | undefined)[],
  ): MemberState
  isMember(row: RowText, state: MemberState, leafTruth: LeafTruth): boolean
}

const plainState: MemberState = { values: [], active: [] }

/**
 * A reader of the rows of a plan.
 *
 * @param valuesOf - the values of a subquery, by its number.
 * @example
 * createStateReader(plan, (subquery) => subsets[subquery].values).stateOf(row, truth)
 */
export function createStateReader(
  plan: QueryPlan,
  valuesOf: (subquery: number) => ValueSet,
): StateReader {
  const positions = plan.form?.positions ?? []
  const leafReaders = (plan.condition?.leaves ?? []).map((leaf) => {
    if (leaf.kind !== 'membership') return undefined
    return valueReader(
      plan.table,
      leaf.membership.columns.map((column) => column.name),
    )
  })
  const compared = positions.map(({ leaf }) => leafReaders[leaf])

  function leafValue(leaf: number, row: RowText, leafTruth: LeafTruth): Truth {
    const part = plan.condition?.leaves[leaf]
    if (!part) return null
    if (part.kind === 'test') return part.test(row)
    if (part.kind === 'sql') return leafTruth(part.sql)
    const reader = leafReaders[leaf] as ValueReader
    return valuesOf(part.membership.subquery).contains(reader(row))
  }

  return {
    stateOf(row, leafTruth, frozen) {
      if (positions.length === 0) return plainState
      const values = compared.map((reader) => reader?.(row))
      const active = positions.map(({ leaf, negated }, pos) => {
        const value = values[pos]
        if (value !== undefined && frozen?.[pos]?.has(value)) return false
        const truth = leafValue(leaf, row, leafTruth)
        return truth !== null && truth !== negated
      })
      return { values, active }
    },
    isMember(row, state, leafTruth) {
      if (plan.form) return satisfies(plan, state.active)
      if (!plan.condition) return true
      return decideTree(plan.condition.tree, (leaf) => leafValue(leaf, row, leafTruth)) === true
    },
  }
}

/** Whether some disjunct of a plan has all its positions active. */
export function satisfies(plan: QueryPlan, active: readonly boolean[]): boolean {
  return plan.form?.disjuncts.some((disjunct) => disjunct.every((pos) => active[pos])) ?? false
}
