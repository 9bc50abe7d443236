import type { Condition } from '../../access/condition.ts'

/** A condition without AND or OR in it. */
export type Leaf = Extract<Condition, { kind: 'equals' | 'range' | 'in' }>

/** A condition as an OR of ANDs. The places of its leaves are the positions that tags speak of. */
export interface ConditionForm {
  /** In the order in which the where clause has them. */
  readonly leaves: readonly Leaf[]
  /** A row belongs to the shape when all leaves of one disjunct hold for it. */
  readonly disjuncts: readonly (readonly number[])[]
}

/**
 * Brings a condition into the form that tags are made of.
 *
 * @example
 * conditionForm(or(equals('public', 'true'), isIn('id', grants))).disjuncts // [[0], [1]]
 */
export function conditionForm(condition: Condition): ConditionForm {
  const leaves: Leaf[] = []
  const expand = (node: Condition): number[][] => {
    switch (node.kind) {
      case 'or':
        return node.conditions.flatMap(expand)
      case 'and':
        return node.conditions
          .map(expand)
          .reduce<number[][]>(
            (all, next) => all.flatMap((one) => next.map((other) => [...one, ...other])),
            [[]],
          )
      default:
        return [[leaves.push(node) - 1]]
    }
  }
  const disjuncts = expand(condition)
  return { leaves, disjuncts }
}

/** The tables that a condition looks into, at any depth; not the one whose rows it is about. */
export function subqueryTables(condition: Condition): string[] {
  switch (condition.kind) {
    case 'equals':
    case 'range':
      return []
    case 'in':
      return [condition.table, ...subqueryTables(condition.where)]
    default:
      return condition.conditions.flatMap(subqueryTables)
  }
}
