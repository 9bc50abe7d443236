import type { SnapshotBounds } from '../protocol/snapshot-visibility.ts'

/** A row of a set, as far as the set must know it. */
export interface Member {
  active: boolean[]
  readonly values: readonly (string | null | undefined)[]
  /** What the row adds to the values of a subquery. */
  readonly selected: string | null
  /** The snapshot a moved-in row comes from: what that saw must not be applied again. */
  readonly since: SnapshotBounds | undefined
}

/** Shared by all members of sets without subqueries, of which there may be many thousands. */
const noConditions: boolean[] = []

/** A member that several sets have, and the one text of its key. */
export interface InnerMember extends Member {
  readonly key: string
}

/** The rows of subqueries, each in memory once however many shapes have it. */
export interface InnerMembers {
  /** The row, made once for all who ask. */
  share(key: string, selected: string | null): InnerMember
  /** Says that one of those who asked no longer needs it. */
  release(key: string, member: Member): void
  readonly size: number
}

/**
 * Creates an empty pool. A thousand shapes that ask for the same sessions differ in how far each has
 * followed the stream, so each keeps its own set, but the texts and rows in these sets are the same.
 *
 * @example
 * const rows = createInnerMembers()
 * rows.share('"public"."sessions"/"s1"', 's1') === rows.share('"public"."sessions"/"s1"', 's1') // true
 */
export function createInnerMembers(): InnerMembers {
  const known = new Map<string, { readonly member: InnerMember; uses: number }>()
  return {
    share(key, selected) {
      const found = known.get(key)
      if (found?.member.selected === selected) {
        found.uses += 1
        return found.member
      }
      const member = {
        key: found?.member.key ?? key,
        active: noConditions,
        values: [],
        selected,
        since: undefined,
      }
      // Another subquery may select another column, or know the row as it was before: that one is not shared.
      if (!found) known.set(key, { member, uses: 1 })
      return member
    },
    release(key, member) {
      const found = known.get(key)
      if (found?.member !== member) return
      found.uses -= 1
      if (found.uses === 0) known.delete(key)
    },
    get size() {
      return known.size
    },
  }
}
