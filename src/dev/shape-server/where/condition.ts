import type { RowText } from '../../protocol/row-key.ts'
import { canonicalText } from './constants.ts'
import { type Column, columnsOf, type Expression, type Membership, toSql } from './expression.ts'
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
      /** Set where the test is that a column has one text. */
      readonly equals?: ColumnText
    }
  /** Decided by Postgres. */
  | { readonly kind: 'sql'; readonly sql: string; readonly columns: readonly string[] }
  /** Decided by the values a subquery has at the moment. */
  | { readonly kind: 'membership'; readonly membership: Membership }

/** A column and the only text that satisfies a test of it. */
export interface ColumnText {
  readonly column: string
  readonly text: string
}

/** How a condition joins its leaves. */
export type Tree =
  | { readonly kind: 'leaf'; readonly leaf: number }
  | { readonly kind: 'and' | 'or'; readonly args: readonly Tree[] }
  | { readonly kind: 'not'; readonly arg: Tree }

/** A where clause, taken apart so that each part is decided where it is cheapest. */
export interface Condition {
  readonly tree: Tree
  readonly leaves: readonly Leaf[]
}

/**
 * Takes a checked where clause apart.
 *
 * @throws WhereError for a subquery inside anything but AND, OR and NOT.
 * @example
 * const condition = compileCondition(expression)
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

/**
 * The truth of a condition.
 *
 * @example
 * isTrue(decideTree(condition.tree, (leaf) => values[leaf]))
 */
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

function compileLeaf(part: Expression): Leaf {
  if (part.kind === 'membership') return { kind: 'membership', membership: part }
  const test = simpleTest(part)
  const columns = [...new Set(columnsOf(part))]
  if (test) {
    const equals = equalsOf(part)
    return { kind: 'test', test, columns, ...(equals ? { equals } : {}) }
  }
  const sql = toSql(part, {
    membership: () => {
      throw new WhereError('subqueries can only be combined with AND, OR and NOT')
    },
  })
  return { kind: 'sql', sql, columns }
}

/** A test that needs no Postgres: constants, nulls, and (in)equality of types that print in one way. */
function simpleTest(part: Expression): ((row: RowText) => Truth) | undefined {
  if (part.kind === 'constant' && part.type === 'bool') {
    const value = part.value === null ? null : canonicalText(part.value, 'bool') === 't'
    return () => value
  }
  if (part.kind === 'column' && part.type === 'bool') {
    const { name } = part
    return (row) => (row[name] == null ? null : row[name] === 't')
  }
  if (part.kind !== 'call') return undefined
  const [left, right] = part.args
  if (left?.kind === 'column' && (part.name === 'IS NULL' || part.name === 'IS NOT NULL')) {
    const { name } = left
    const wanted = part.name === 'IS NULL'
    return (row) => (row[name] == null) === wanted
  }
  if (part.name !== '=' && part.name !== '<>') return undefined
  if (left?.kind === 'column') return equality(left, right, part.name === '=')
  return right?.kind === 'column' ? equality(right, left, part.name === '=') : undefined
}

/**
 * The equalities that every row of a condition satisfies.
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

/** Called for parts that have a simple test only: then the constant prints in one way. */
function equalsOf(part: Expression): ColumnText | undefined {
  if (part.kind !== 'call' || part.name !== '=') return undefined
  const column = part.args.find((arg) => arg.kind === 'column')
  const constant = part.args.find((arg) => arg.kind === 'constant')
  if (!column || !constant || constant.value === null) return undefined
  const text = canonicalText(constant.value, constant.type)
  return text === undefined ? undefined : { column: column.name, text }
}

const integers = new Set(['int2', 'int4', 'int8'])

function equality(
  column: Column,
  other: Expression | undefined,
  equal: boolean,
): ((row: RowText) => Truth) | undefined {
  if (other?.kind !== 'constant') return undefined
  const same =
    column.type === other.type ||
    (integers.has(column.type) && integers.has(other.type)) ||
    (column.type === 'varchar' && other.type === 'text')
  if (!same) return undefined
  const { name } = column
  if (other.value === null) return () => null
  const text = canonicalText(other.value, other.type)
  if (text === undefined) return undefined
  return (row) => (row[name] == null ? null : (row[name] === text) === equal)
}
