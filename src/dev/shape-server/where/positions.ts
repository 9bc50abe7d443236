import type { Tree } from './condition.ts'

/** One condition of a disjunct. */
export interface Position {
  readonly leaf: number
  readonly negated: boolean
}

/** A condition as alternatives of conjunctions, each condition at a position of its own. */
export interface DisjunctiveForm {
  readonly positions: readonly Position[]
  /** The positions of each disjunct. */
  readonly disjuncts: readonly (readonly number[])[]
}

const mostPositions = 1000

/**
 * Brings a condition into the form that tags speak of: NOT pushed down to the leaves, AND spread over OR.
 *
 * @throws when the form would have more than 1,000 positions.
 * @example
 * disjunctiveForm(condition.tree).disjuncts
 */
export function disjunctiveForm(tree: Tree): DisjunctiveForm {
  const positions: Position[] = []
  const disjuncts = spread(tree, false).map((conjunction) =>
    conjunction.map((position) => positions.push(position) - 1),
  )
  return { positions, disjuncts }
}

function spread(tree: Tree, negated: boolean): Position[][] {
  if (tree.kind === 'leaf') return [[{ leaf: tree.leaf, negated }]]
  if (tree.kind === 'not') return spread(tree.arg, !negated)
  const parts = tree.args.map((arg) => spread(arg, negated))
  const isOr = (tree.kind === 'or') !== negated
  const result = isOr ? parts.flat() : parts.reduce(crossed, [[]])
  if (result.reduce((sum, conjunction) => sum + conjunction.length, 0) > mostPositions) {
    throw new Error('the where clause has too many alternatives around its subqueries')
  }
  return result
}

function crossed(left: Position[][], right: Position[][]): Position[][] {
  return left.flatMap((a) => right.map((b) => [...a, ...b]))
}
