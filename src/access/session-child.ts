import type { Condition } from './condition.ts'
import * as where from './where.ts'

/**
 * Turns a condition on sessions into one on rows of their children, in a table that has a copy of some of the
 * session's columns. Where the condition needs another column, the children are found by a subquery on
 * `sessions`, which Electric evaluates again for each session that enters or leaves it.
 *
 * @param copied the columns of `sessions` that the table has, beside `tenant_id`
 * @example
 * ofSessionChild(where.contains('audiences', 'tenant'), ['audiences']) // audiences @> '{tenant}'
 */
export function ofSessionChild(condition: Condition, copied: readonly string[]): Condition {
  return (
    renamed(condition, copied) ??
    where.inArray('session_id', { table: 'sessions', select: 'id', where: condition })
  )
}

/** Returns undefined if the condition needs a column that the table lacks. */
function renamed(condition: Condition, copied: readonly string[]): Condition | undefined {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const conditions = condition.conditions.flatMap((part) => renamed(part, copied) ?? [])
      return conditions.length === condition.conditions.length
        ? { ...condition, conditions }
        : undefined
    }
    case 'not': {
      const part = renamed(condition.condition, copied)
      return part && { ...condition, condition: part }
    }
    default: {
      const { column } = condition
      if (column === 'id') return { ...condition, column: 'session_id' }
      return column === 'tenant_id' || copied.includes(column) ? condition : undefined
    }
  }
}
