import type { Condition } from './condition.ts'
import * as where from './where.ts'

/**
 * Confines subqueries to rows about one parent, in a condition on rows whose `column` is known to be `value`.
 * The result is the same, but a membership of another parent no longer enters or leaves the subquery, and so
 * doesn't make the engine re-evaluate the shape.
 *
 * Conditions within `not` are kept: there, a subquery that selects NULL is not the same as one that doesn't.
 *
 * @example
 * const shared = where.inArray('id', { table: 'members', select: 'session_id', where: mine })
 * confineSubqueries(shared, 'id', 's1') // id IN (SELECT session_id FROM members WHERE session_id = 's1' AND …)
 */
export function confineSubqueries(condition: Condition, column: string, value: string): Condition {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const confine = (part: Condition) => confineSubqueries(part, column, value)
      return { ...condition, conditions: condition.conditions.map(confine) }
    }
    case 'inSubquery': {
      if (condition.column !== column) return condition
      return { ...condition, where: where.and(where.eq(condition.select, value), condition.where) }
    }
    default:
      return condition
  }
}
