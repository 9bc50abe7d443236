import type { MovedValues } from './member-state.ts'
import type { QueryPlan } from './query-plan.ts'
import type { ValueDelta } from './value-set.ts'
import { type Leaf, requiredTexts } from './where/condition.ts'

/** What a transaction did at a position. */
export interface Move {
  readonly on: MovedValues
  readonly off: MovedValues
}

/** A value at a position, before it is named for clients. */
export interface RawPattern {
  readonly pos: number
  /** Null stands for the rows whose compared column is null. */
  readonly value: string | null
}

/** The set cannot go on: the shape must be fetched anew. */
class MembershipLost extends Error {
  override name = 'MembershipLost'
}

/**
 * Per position of a plan, the values whose condition turned on, and off.
 *
 * @param deltas - what changed in each subquery; undefined where nothing did.
 * @throws MembershipLost when `NOT IN` changed for every row.
 */
export function movesOf(
  plan: QueryPlan,
  deltas: readonly (ValueDelta | undefined)[],
): (Move | undefined)[] {
  const positions = plan.form?.positions ?? []
  return positions.map(({ leaf, negated }) => {
    const part = plan.condition?.leaves[leaf]
    const delta = part?.kind === 'membership' ? deltas[part.membership.subquery] : undefined
    if (!delta || !negated) return delta && { on: delta.added, off: delta.removed }
    if (delta.hasNullChanged) {
      throw new MembershipLost('a NOT IN subquery gained its first null or lost its last')
    }
    const on = new Set<string | null>(delta.removed)
    const off = new Set<string | null>(delta.added)
    if (canBeNull(plan, part)) {
      if (delta.emptiness === 'now-empty') on.add(null)
      if (delta.emptiness === 'now-filled') off.add(null)
    }
    return { on, off }
  })
}

/** The values of all positions, one by one. */
export function patternsOf(sets: readonly (MovedValues | undefined)[]): RawPattern[] {
  return sets.flatMap((set, pos) => [...(set ?? [])].map((value) => ({ pos, value })))
}

/**
 * Tells whether a value that turned on may move rows of a plan:
 * `session_id = 's1' AND session_id IN (…)` has none of another session.
 */
export function createMoveFilter(plan: QueryPlan): (pattern: RawPattern) => boolean {
  const required = requiredTexts(plan.condition)
  return ({ pos, value }) => {
    const part = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
    const columns = part?.kind === 'membership' ? part.membership.columns : []
    if (columns.length !== 1) return true
    return required.every(({ column, text }) => column !== columns[0]?.name || text === value)
  }
}

function canBeNull(plan: QueryPlan, leaf: Leaf | undefined): boolean {
  if (leaf?.kind !== 'membership') return false
  const names = leaf.membership.columns.map((column) => column.name)
  return plan.table.columns.some((column) => names.includes(column.name) && !column.notNull)
}
