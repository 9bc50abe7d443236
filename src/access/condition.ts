/**
 * Which rows a shape holds, as data. One condition yields both the SQL that Electric gets and the
 * predicate that the in-memory mock uses, so the two cannot disagree. Columns are database names.
 */
export type Condition =
  | { readonly kind: 'equals'; readonly column: string; readonly value: string }
  | { readonly kind: 'range'; readonly column: string; readonly from: number; readonly to: number }
  | { readonly kind: 'and'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'or'; readonly conditions: readonly Condition[] }
  | {
      readonly kind: 'in'
      readonly column: string
      readonly table: string
      readonly select: string
      readonly where: Condition
      /** The column of `table` that says whose row it is; `tenant_id` when left out. */
      readonly tenantColumn?: string | null
    }

/** The column has exactly this value. */
export function equals(column: string, value: string | number | bigint | boolean): Condition {
  return { kind: 'equals', column, value: String(value) }
}

/** The column's whole number is at least `from` and below `to`. */
export function inRange(column: string, from: number, to: number): Condition {
  return { kind: 'range', column, from, to }
}

/** All of the conditions hold; always true when there are none. */
export function and(...conditions: Condition[]): Condition {
  return { kind: 'and', conditions }
}

/** At least one of the conditions holds; never true when there are none. */
export function or(...conditions: Condition[]): Condition {
  return { kind: 'or', conditions }
}

/**
 * The column's value is among those that `select` has in the rows of `table` where `where` holds.
 *
 * @param inner.tenantColumn says whose a row of `table` is, `tenant_id` by default: in a shape only
 *   rows of the principal's tenant count. `null` for a table that belongs to no tenant.
 * @example
 * isIn('project_id', { table: 'project_members', select: 'project_id', where: equals('user_id', 'u1') })
 */
export function isIn(
  column: string,
  inner: {
    readonly table: string
    readonly select: string
    readonly where: Condition
    readonly tenantColumn?: string | null
  },
): Condition {
  return { kind: 'in', column, ...inner }
}

/** A where clause with `$1`, `$2` … and the texts they stand for. */
export interface WhereClause {
  readonly where: string
  readonly params: readonly string[]
}

/**
 * Prints a condition as SQL. Values never become SQL text: each is a parameter, shared only where
 * the same column is compared with the same value (so that its type is never ambiguous).
 *
 * @example
 * toWhereClause(and(equals('tenant_id', 't1'), equals('id', 's1')))
 * // { where: '"tenant_id" = $1 AND "id" = $2', params: ['t1', 's1'] }
 */
export function toWhereClause(condition: Condition): WhereClause {
  const params: string[] = []
  const numbers = new Map<string, number>()
  const parameter = (column: string, value: string): string => {
    const key = JSON.stringify([column, value])
    const number = numbers.get(key) ?? params.push(value)
    numbers.set(key, number)
    return `$${number}`
  }
  const print = (node: Condition): string => {
    switch (node.kind) {
      case 'equals':
        return `${quoteIdentifier(node.column)} = ${parameter(node.column, node.value)}`
      case 'range': {
        const name = quoteIdentifier(node.column)
        const from = parameter(node.column, String(node.from))
        return `(${name} >= ${from} AND ${name} < ${parameter(node.column, String(node.to))})`
      }
      case 'and':
        return join(node.conditions.map(print), 'AND')
      case 'or':
        return join(node.conditions.map(print), 'OR')
      case 'in': {
        const inner = `SELECT ${quoteIdentifier(node.select)} FROM ${quoteTable(node.table)}`
        return `${quoteIdentifier(node.column)} IN (${inner} WHERE ${print(node.where)})`
      }
    }
  }
  return { where: withoutOuterParentheses(condition, print), params }
}

function withoutOuterParentheses(condition: Condition, print: (node: Condition) => string): string {
  if (condition.kind !== 'and' || condition.conditions.length === 0) return print(condition)
  return condition.conditions.map(print).join(' AND ')
}

function join(parts: readonly string[], operator: 'AND' | 'OR'): string {
  if (parts.length === 0) return operator === 'AND' ? 'TRUE' : 'FALSE'
  return `(${parts.join(` ${operator} `)})`
}

/** `schema.table`, or a table of the search path. */
function quoteTable(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.')
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A row as the database names it. */
export type ColumnValues = Readonly<Record<string, unknown>>

/**
 * Decides in memory whether a row belongs to a shape.
 *
 * @param rowsOf all rows of a table, for conditions that look into another one.
 * @example
 * matches(equals('tenant_id', 't1'), { tenant_id: 't1' }, () => []) // true
 */
export function matches(
  condition: Condition,
  row: ColumnValues,
  rowsOf: (table: string) => Iterable<ColumnValues>,
): boolean {
  switch (condition.kind) {
    case 'equals':
      return row[condition.column] === condition.value
    case 'range':
      return isInRange(condition, row[condition.column])
    case 'and':
      return condition.conditions.every((part) => matches(part, row, rowsOf))
    case 'or':
      return condition.conditions.some((part) => matches(part, row, rowsOf))
    case 'in':
      return someRow(
        rowsOf(condition.table),
        (inner) =>
          row[condition.column] != null && // NULL is in no list, not even beside NULL
          inner[condition.select] === row[condition.column] &&
          matches(condition.where, inner, rowsOf),
      )
  }
}

/** Whether a value, as a number or as its text, is in a range. NULL is in none. */
export function isInRange(
  { from, to }: { readonly from: number; readonly to: number },
  value: unknown,
): boolean {
  return value != null && Number(value) >= from && Number(value) < to
}

function someRow(rows: Iterable<ColumnValues>, test: (row: ColumnValues) => boolean): boolean {
  for (const row of rows) if (test(row)) return true
  return false
}
