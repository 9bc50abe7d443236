import { type RowText, rowKey } from '../protocol/row-key.ts'
import type { SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import type { InnerMembers, Member } from './inner-members.ts'
import type { Move } from './member-moves.ts'
import { type MemberState, type MovedValues, satisfies } from './member-state.ts'
import type { QueryPlan, SubqueryPlan } from './query-plan.ts'
import { type ValueSet, valueReader } from './value-set.ts'

/** The rows of a set, by key, as far as it must know them. */
export interface MemberRows {
  keyOf(row: RowText): string
  get(key: string): Member | undefined
  /** @param since - the snapshot that a moved-in row comes from. */
  enter(key: string, row: RowText, state: MemberState, since?: SnapshotBounds): void
  leave(key: string): void
  /** Turns conditions on for the rows that have one of the values. */
  activate(on: readonly (MovedValues | undefined)[]): void
  /** Turns conditions off, and lets go of the rows that no disjunct keeps. */
  deactivate(moves: readonly (Move | undefined)[]): void
  /** Bytes they take in memory, roughly. */
  readonly bytes: number
  /** Gives back what is shared with other sets; nothing may be entered any more. */
  release(): void
}

/** What a row takes in a set, and in the pool that all sets share: measured, with texts of 36 characters. */
const memberBytes = 400
const sharedMemberBytes = 100

/**
 * Creates the empty rows of a plan.
 *
 * @param values - kept up to date with what the rows select, where the plan is a subquery.
 * @param pool - where the rows of subqueries are, for all sets.
 */
export function createMemberRows(
  plan: QueryPlan,
  values: ValueSet,
  pool: InnerMembers,
): MemberRows {
  const members = new Map<string, Member>()
  const isShared = (plan.form?.positions ?? []).length === 0
  const selected =
    'columns' in plan ? valueReader(plan.table, (plan as SubqueryPlan).columns) : undefined
  let released = false

  function leave(key: string) {
    const member = members.get(key)
    if (!member) return
    members.delete(key)
    if (selected) values.remove(member.selected)
    if (isShared) pool.release(key, member)
  }

  return {
    keyOf: (row) => rowKey(plan.table.relation, plan.table.keyColumns, row),
    get: (key) => members.get(key),
    enter(key, row, state, since) {
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
    },
    leave,
    activate(on) {
      for (const member of members.values()) {
        for (const [pos, set] of on.entries()) {
          const value = member.values[pos]
          if (value !== undefined && set?.has(value)) member.active[pos] = true
        }
      }
    },
    deactivate(moves) {
      if (!moves.some((move) => move && move.off.size > 0)) return
      for (const [key, member] of members) {
        for (const [pos, move] of moves.entries()) {
          const value = member.values[pos]
          if (value !== undefined && move?.off.has(value)) member.active[pos] = false
        }
        if (!satisfies(plan, member.active)) leave(key)
      }
    },
    get bytes() {
      return members.size * (isShared ? sharedMemberBytes : memberBytes)
    },
    release() {
      released = true
      for (const [key, member] of isShared ? members : []) pool.release(key, member)
      members.clear()
    },
  }
}
