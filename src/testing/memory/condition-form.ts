import type { Condition, Leaf } from '../../access/condition.ts'
import { SessionDbError } from '../../errors.ts'

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
export function subqueryTables(condition: Condition): string[] {
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
