/**
 * A condition or value of a subset, as `@electric-sql/client` sends it (`where_expr`). The proxy reads
 * every condition into this form and prints it anew: no text of a client's ever reaches the engine.
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

/** One column to order by. */
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

/** Every operator and function there is, and how it is printed. */
export const functionForms = {
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

export type FunctionName = keyof typeof functionForms

/** Whether there is an operator or function of this name. */
export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(functionForms, name)
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
      return functionForms[expression.name].print(expression.args.map(printExpression))
  }
}

/** Prints what to order by. */
export function printOrder(order: readonly SubsetOrder[]): string {
  return order
    .map(({ column, direction, nulls }) => {
      const way = direction === 'desc' ? ' DESC' : ''
      return `${quoted(column)}${way}${nulls === undefined ? '' : ` NULLS ${nulls.toUpperCase()}`}`
    })
    .join(', ')
}

function quoted(column: string): string {
  return `"${column.replaceAll('"', '""')}"`
}
