import type { RowText } from '../../protocol/messages.ts'
import { type Column, columnsOf, type Expression, type Membership, toSql } from './expression.ts'
import { canonicalText } from './literals.ts'
import { WhereError } from './where-error.ts'

/** SQL's three truth values. */
export type Truth = boolean | null

/** A part of a condition that AND, OR and NOT join. */
export type Leaf =
  /** Decided here, from the texts of a row. */
  | {
      readonly kind: 'test'
      readonly test: (row: RowText) => Truth
      readonly columns: readonly string[]
      /** Set if the test is `column = constant`. */
      readonly equals?: ColumnText
    }
  /** Decided by Postgres. */
  | { readonly kind: 'sql'; readonly sql: string; readonly columns: readonly string[] }
  /** Decided by the present values of a subquery. */
  | { readonly kind: 'membership'; readonly membership: Membership }

/** A column and the only text that satisfies a test of it. */
export interface ColumnText {
  readonly column: string
  readonly text: string
}

/** The AND, OR and NOT of a condition, over its leaves. */
export type Tree =
  | { readonly kind: 'leaf'; readonly leaf: number }
  | { readonly kind: 'and' | 'or'; readonly args: readonly Tree[] }
  | { readonly kind: 'not'; readonly arg: Tree }

/** A where clause split at AND, OR and NOT, so that each part is decided where it is cheapest. */
export interface Condition {
  readonly tree: Tree
  readonly leaves: readonly Leaf[]
}

/**
 * Splits a checked where clause.
 *
 * @throws WhereError for a subquery inside anything but AND, OR and NOT
 */
export function compileCondition(expression: Expression): Condition {
  const leaves: Leaf[] = []
  const known = new Map<string, number>()

  function leafOf(part: Expression): Tree {
    const key = toSql(part, { membership: (m) => `$subquery${m.subquery}` })
    const index = known.get(key) ?? leaves.length
    if (index === leaves.length) {
      leaves.push(compileLeaf(part))
      known.set(key, index)
    }
    return { kind: 'leaf', leaf: index }
  }

  function build(part: Expression): Tree {
    if (part.kind === 'and' || part.kind === 'or') {
      return { kind: part.kind, args: part.args.map(build) }
    }
    if (part.kind === 'not') return { kind: 'not', arg: build(part.args[0]) }
    return leafOf(part)
  }

  return { tree: build(expression), leaves }
}

/** Decides a condition from the truth of its leaves. */
export function decideTree(tree: Tree, leaf: (index: number) => Truth): Truth {
  switch (tree.kind) {
    case 'leaf':
      return leaf(tree.leaf)
    case 'not': {
      const value = decideTree(tree.arg, leaf)
      return value === null ? null : !value
    }
    default: {
      const decisive = tree.kind === 'or'
      let result: Truth = !decisive
      for (const arg of tree.args) {
        const value = decideTree(arg, leaf)
        if (value === decisive) return decisive
        if (value === null) result = null
      }
      return result
    }
  }
}

/**
 * Returns the equalities that every row of a condition satisfies.
 *
 * @example
 * requiredTexts(compileCondition(checked)) // [{ column: 'tenant_id', text: 't1' }]
 */
export function requiredTexts(condition: Condition | undefined): ColumnText[] {
  const collect = (tree: Tree): ColumnText[] => {
    if (tree.kind === 'and') return tree.args.flatMap(collect)
    const leaf = tree.kind === 'leaf' ? condition?.leaves[tree.leaf] : undefined
    return leaf?.kind === 'test' && leaf.equals ? [leaf.equals] : []
  }
  return condition ? collect(condition.tree) : []
}

function compileLeaf(part: Expression): Leaf {
  if (part.kind === 'membership') return { kind: 'membership', membership: part }
  const columns = [...new Set(columnsOf(part))]
  const test = compileTest(part)
  if (test) return { kind: 'test', columns, ...test }
  const sql = toSql(part, {
    membership: () => {
      throw new WhereError('subqueries can only be combined with AND, OR and NOT')
    },
  })
  return { kind: 'sql', sql, columns }
}

interface Test {
  readonly test: (row: RowText) => Truth
  readonly equals?: ColumnText
}

/** Compiles the parts that need no Postgres: constants, nulls, and equality of types with one text per value. */
function compileTest(part: Expression): Test | undefined {
  if (part.kind === 'constant' && part.type === 'bool') {
    const value = part.value === null ? null : canonicalText(part.value, 'bool') === 't'
    return { test: () => value }
  }
  if (part.kind === 'column' && part.type === 'bool') {
    const { name } = part
    return { test: (row) => (row[name] == null ? null : row[name] === 't') }
  }
  if (part.kind !== 'call') return undefined
  const [left, right] = part.args
  if (left?.kind === 'column' && (part.name === 'IS NULL' || part.name === 'IS NOT NULL')) {
    const { name } = left
    const wanted = part.name === 'IS NULL'
    return { test: (row) => (row[name] == null) === wanted }
  }
  if (part.name !== '=' && part.name !== '<>') return undefined
  if (left?.kind === 'column') return compileEquality(left, right, part.name === '=')
  return right?.kind === 'column' ? compileEquality(right, left, part.name === '=') : undefined
}

const INTEGERS = new Set(['int2', 'int4', 'int8'])

function compileEquality(
  { name: column, type }: Column,
  other: Expression | undefined,
  equal: boolean,
): Test | undefined {
  if (other?.kind !== 'constant') return undefined
  const comparesTexts =
    type === other.type ||
    (INTEGERS.has(type) && INTEGERS.has(other.type)) ||
    (type === 'varchar' && other.type === 'text')
  if (!comparesTexts) return undefined
  if (other.value === null) return { test: () => null }
  const text = canonicalText(other.value, other.type)
  if (text === undefined) return undefined
  return {
    test: (row) => (row[column] == null ? null : (row[column] === text) === equal),
    ...(equal ? { equals: { column, text } } : {}),
  }
}

/** A condition of a disjunct. */
export interface Position {
  readonly leaf: number
  readonly negated: boolean
}

/** A condition as OR of ANDs, where each condition of each disjunct has its own position. */
export interface DisjunctiveForm {
  readonly positions: readonly Position[]
  /** The positions of each disjunct. */
  readonly disjuncts: readonly (readonly number[])[]
}

const MAX_POSITIONS = 1000

/**
 * Brings a condition into the form that tags refer to: NOT pushed down to the leaves, AND distributed over OR.
 *
 * @throws when the form would have more than 1,000 positions
 */
export function disjunctiveForm(tree: Tree): DisjunctiveForm {
  const positions: Position[] = []
  const disjuncts = distribute(tree, false).map((conjunction) =>
    conjunction.map((position) => positions.push(position) - 1),
  )
  return { positions, disjuncts }
}

function distribute(tree: Tree, negated: boolean): Position[][] {
  if (tree.kind === 'leaf') return [[{ leaf: tree.leaf, negated }]]
  if (tree.kind === 'not') return distribute(tree.arg, !negated)
  const parts = tree.args.map((arg) => distribute(arg, negated))
  const isOr = (tree.kind === 'or') !== negated
  const crossed = (left: Position[][], right: Position[][]) =>
    left.flatMap((a) => right.map((b) => [...a, ...b]))
  const result = isOr ? parts.flat() : parts.reduce(crossed, [[]])
  if (result.reduce((sum, conjunction) => sum + conjunction.length, 0) > MAX_POSITIONS) {
    throw new Error('the where clause has too many alternatives around its subqueries')
  }
  return result
}
