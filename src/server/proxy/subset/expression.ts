import { SessionDbError } from '../../../writes/errors.ts'

const MAX_DEPTH = 32
const MAX_NODES = 500

/**
 * A condition or value of a subset, as `@electric-sql/client` sends it (`where_expr`). The proxy parses
 * every condition into this form and prints it again, so no client text reaches the engine.
 */
export type SubsetExpression =
  | { readonly type: 'ref'; readonly column: string }
  | { readonly type: 'val'; readonly paramIndex: number }
  | { readonly type: 'constant'; readonly value: boolean }
  | {
      readonly type: 'func'
      readonly name: FunctionName
      readonly args: readonly SubsetExpression[]
    }

/** One column of a sort order. */
export interface SubsetOrder {
  readonly column: string
  readonly direction?: 'asc' | 'desc' | undefined
  readonly nulls?: 'first' | 'last' | undefined
}

interface FunctionForm {
  readonly least: number
  readonly most: number
  readonly print: (args: readonly string[]) => string
}

const comparison = (operator: string): FunctionForm => ({
  least: 2,
  most: 2,
  print: ([left, right]) => `(${left} ${operator} ${right})`,
})
const joined = (operator: string): FunctionForm => ({
  least: 1,
  most: 200,
  print: (args) => `(${args.join(` ${operator} `)})`,
})
const called = (name: string, most: number): FunctionForm => ({
  least: 1,
  most,
  print: (args) => `${name}(${args.join(', ')})`,
})
const isNull: FunctionForm = { least: 1, most: 1, print: ([value]) => `(${value} IS NULL)` }

/** The supported operators and functions, with their number of arguments and how they are printed. */
const FUNCTIONS = {
  eq: comparison('='),
  ne: comparison('<>'),
  gt: comparison('>'),
  gte: comparison('>='),
  lt: comparison('<'),
  lte: comparison('<='),
  like: comparison('LIKE'),
  ilike: comparison('ILIKE'),
  in: { least: 2, most: 2, print: ([value, list]) => `(${value} = ANY(${list}))` },
  and: joined('AND'),
  or: joined('OR'),
  not: { least: 1, most: 1, print: ([condition]) => `(NOT ${condition})` },
  isNull,
  isUndefined: isNull,
  upper: called('upper', 1),
  lower: called('lower', 1),
  length: called('length', 1),
  concat: called('concat', 50),
  coalesce: called('coalesce', 50),
} satisfies Record<string, FunctionForm>

export type FunctionName = keyof typeof FUNCTIONS

/** Narrows a name to the supported operators and functions. */
export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name)
}

/**
 * Prints an expression as SQL.
 *
 * @example
 * printExpression({ type: 'func', name: 'eq', args: [{ type: 'ref', column: 'id' }, { type: 'val', paramIndex: 1 }] })
 * // '("id" = $1)'
 */
export function printExpression(expression: SubsetExpression): string {
  switch (expression.type) {
    case 'ref':
      return quoted(expression.column)
    case 'val':
      return `$${expression.paramIndex}`
    case 'constant':
      return expression.value ? 'TRUE' : 'FALSE'
    case 'func':
      return FUNCTIONS[expression.name].print(expression.args.map(printExpression))
  }
}

/** Prints a sort order as SQL. */
export function printOrder(order: readonly SubsetOrder[]): string {
  return order
    .map(({ column, direction, nulls }) => {
      const suffix = direction === 'desc' ? ' DESC' : ''
      return `${quoted(column)}${suffix}${nulls === undefined ? '' : ` NULLS ${nulls.toUpperCase()}`}`
    })
    .join(', ')
}

function quoted(column: string): string {
  return `"${column.replaceAll('"', '""')}"`
}

/** Columns and parameters an expression may refer to. */
export interface ExpressionScope {
  /** Database names of the shape's columns. */
  readonly columns: ReadonlySet<string>
  /** Number of parameters. */
  readonly params: number
}

/**
 * Validates an expression from a client: known operators, synced columns, given parameters, and a
 * bounded size.
 *
 * @throws SessionDbError `invalid`.
 */
export function checkExpression(value: unknown, scope: ExpressionScope): SubsetExpression {
  let nodes = 0
  const check = (node: unknown, depth: number): SubsetExpression => {
    nodes += 1
    if (nodes > MAX_NODES || depth > MAX_DEPTH) throw invalid('is too large')
    if (typeof node !== 'object' || node === null) throw invalid('is not an expression')
    const { type, column, paramIndex, value: constant, name, args } = { ...node } as Untrusted
    switch (type) {
      case 'ref':
        return { type, column: checkColumn(column, scope) }
      case 'val':
        if (!isIndex(paramIndex, scope.params)) throw invalid('names a parameter that is not given')
        return { type, paramIndex }
      case 'constant':
        return { type, value: constant === true }
      case 'func': {
        if (typeof name !== 'string' || !isFunctionName(name))
          throw invalid('has an unknown operator')
        const { least, most } = FUNCTIONS[name]
        if (!Array.isArray(args) || args.length < least || args.length > most) {
          throw invalid(`gives ${name} the wrong number of values`)
        }
        return { type, name, args: args.map((arg) => check(arg, depth + 1)) }
      }
      default:
        throw invalid('is not an expression')
    }
  }
  return check(value, 0)
}

/** @throws SessionDbError `invalid`, the same for an unsynced column as for one that doesn't exist. */
export function checkColumn(column: unknown, { columns }: ExpressionScope): string {
  if (typeof column === 'string' && columns.has(column)) return column
  throw invalid('names a column that this shape does not have')
}

interface Untrusted {
  readonly type?: unknown
  readonly column?: unknown
  readonly paramIndex?: unknown
  readonly value?: unknown
  readonly name?: unknown
  readonly args?: unknown
}

function isIndex(value: unknown, count: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= count
}

function invalid(problem: string): SessionDbError {
  return new SessionDbError('invalid', `The subset ${problem}.`)
}
