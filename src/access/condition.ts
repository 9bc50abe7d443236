import { parseTimestamp } from '../schema/parse-timestamp.ts'

/**
 * A condition on rows, as data. `where` creates it, `toWhereClause` prints it as SQL for Electric, and `matches`
 * evaluates it on rows in memory; a property test holds that the two agree. Columns have their database names; values
 * are the texts that Postgres reads.
 */
export type Condition =
  | { readonly kind: 'and'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'or'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'not'; readonly condition: Condition }
  | Leaf

/** A condition on one column. */
export type Leaf =
  | { readonly kind: 'eq'; readonly column: string; readonly value: string }
  | {
      readonly kind: 'compare'
      readonly column: string
      readonly operator: '<' | '<=' | '>' | '>='
      readonly type: 'number' | 'timestamp'
      readonly value: string
    }
  | { readonly kind: 'isNull'; readonly column: string }
  /** The column is an array with this element. */
  | { readonly kind: 'contains'; readonly column: string; readonly value: string }
  | { readonly kind: 'inList'; readonly column: string; readonly values: readonly string[] }
  | {
      readonly kind: 'inSubquery'
      readonly column: string
      readonly table: string
      readonly select: string
      readonly where: Condition
      /** The column of `table` that holds the tenant; `tenant_id` if undefined. */
      readonly tenantColumn?: string | null
    }

/** A where clause with the parameters `$1`, `$2` … */
export interface WhereClause {
  readonly where: string
  readonly params: readonly string[]
}

/**
 * Prints a condition as SQL. Every value is a parameter. Two uses of a value share one only if they compare
 * it with the same column, so that Postgres can always infer its type.
 *
 * @example
 * toWhereClause(where.and(where.eq('tenant_id', 't1'), where.eq('id', 's1')))
 * // { where: '"tenant_id" = $1 AND "id" = $2', params: ['t1', 's1'] }
 */
export function toWhereClause(condition: Condition): WhereClause {
  const params: string[] = []
  const numbers = new Map<string, number>()

  function parameter(column: string, value: string): string {
    const key = JSON.stringify([column, value])
    const number = numbers.get(key) ?? params.push(value)
    numbers.set(key, number)
    return `$${number}`
  }

  function print(node: Condition): string {
    if (node.kind === 'and' || node.kind === 'or') {
      if (node.conditions.length === 0) return node.kind === 'and' ? 'TRUE' : 'FALSE'
      return `(${node.conditions.map(print).join(node.kind === 'and' ? ' AND ' : ' OR ')})`
    }
    if (node.kind === 'not') return `NOT (${print(node.condition)})`
    const name = quoteIdentifier(node.column)
    switch (node.kind) {
      case 'eq':
        return `${name} = ${parameter(node.column, node.value)}`
      case 'compare':
        return `${name} ${node.operator} ${parameter(node.column, node.value)}`
      case 'isNull':
        return `${name} IS NULL`
      case 'contains':
        return `${name} @> ${parameter(node.column, arrayLiteral([node.value]))}`
      case 'inList': {
        if (node.values.length === 0) return 'FALSE'
        return `${name} IN (${node.values.map((value) => parameter(node.column, value)).join(', ')})`
      }
      case 'inSubquery': {
        const inner = `SELECT ${quoteIdentifier(node.select)} FROM ${quoteTable(node.table)}`
        return `${name} IN (${inner} WHERE ${print(node.where)})`
      }
    }
  }

  const isList = condition.kind === 'and' && condition.conditions.length > 0
  const sql = isList ? condition.conditions.map(print).join(' AND ') : print(condition)
  return { where: sql, params }
}

/** `schema.table`, or a table of the search path. */
function quoteTable(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.')
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Prints a text array as a Postgres literal. */
export function arrayLiteral(elements: readonly string[]): string {
  return `{${elements.map((element) => `"${element.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
}

/** A row as Postgres prints it: text by column name, NULL as null. */
export type ColumnTexts = Readonly<Record<string, string | null | undefined>>

/**
 * Returns whether a row in memory satisfies a condition, as Postgres would decide it.
 *
 * @param rowsOf returns all rows of a table, for subqueries
 * @example
 * matches(where.eq('tenant_id', 't1'), { tenant_id: 't1' }, () => []) // true
 */
export function matches(
  condition: Condition,
  row: ColumnTexts,
  rowsOf: (table: string) => Iterable<ColumnTexts>,
): boolean {
  return evaluate(condition, row, rowsOf) === true
}

/** SQL's three values: true, false, and null for unknown. */
type Truth = boolean | null

function evaluate(
  condition: Condition,
  row: ColumnTexts,
  rowsOf: (table: string) => Iterable<ColumnTexts>,
): Truth {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return combine(condition, row, rowsOf)
    case 'not': {
      const truth = evaluate(condition.condition, row, rowsOf)
      return truth === null ? null : !truth
    }
    case 'inSubquery':
      return isAmong(row[condition.column], selected(condition, rowsOf))
    default:
      return evaluateLeaf(condition, row[condition.column])
  }
}

function combine(
  { kind, conditions }: Extract<Condition, { kind: 'and' | 'or' }>,
  row: ColumnTexts,
  rowsOf: (table: string) => Iterable<ColumnTexts>,
): Truth {
  const decisive = kind === 'or'
  let result: Truth = !decisive
  for (const condition of conditions) {
    const truth = evaluate(condition, row, rowsOf)
    if (truth === decisive) return truth
    if (truth === null) result = null
  }
  return result
}

/** Evaluates a condition that needs nothing but the column's value. */
export function evaluateLeaf(
  leaf: Exclude<Leaf, { kind: 'inSubquery' }>,
  value: string | null | undefined,
): Truth {
  if (leaf.kind === 'isNull') return value == null
  if (leaf.kind === 'inList') return isAmong(value, leaf.values)
  if (value == null) return null
  switch (leaf.kind) {
    case 'eq':
      return value === leaf.value
    case 'contains':
      return arrayElements(value).includes(leaf.value)
    case 'compare':
      return compare(leaf, value)
  }
}

function* selected(
  { table, select, where }: Extract<Leaf, { kind: 'inSubquery' }>,
  rowsOf: (table: string) => Iterable<ColumnTexts>,
): Iterable<string | null | undefined> {
  for (const inner of rowsOf(table)) if (matches(where, inner, rowsOf)) yield inner[select]
}

function isAmong(
  value: string | null | undefined,
  list: Iterable<string | null | undefined>,
): Truth {
  let result: Truth = false
  for (const other of list) {
    if (value == null || other == null) result = null
    else if (value === other) return true
  }
  return result
}

function compare({ operator, type, value }: Extract<Leaf, { kind: 'compare' }>, text: string) {
  const order = type === 'number' ? numericOrder(text, value) : timeOrder(text, value)
  switch (operator) {
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

const INTEGER = /^-?\d+$/

/** Integers are compared exactly: a bigint column holds more than a JavaScript number does. */
function numericOrder(one: string, other: string): number {
  if (!INTEGER.test(one) || !INTEGER.test(other)) return Number(one) - Number(other)
  const difference = BigInt(one) - BigInt(other)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function timeOrder(text: string, iso: string): number {
  return parseTimestamp(text).getTime() - Date.parse(iso)
}

/** The elements of a one-dimensional array as Postgres prints it; NULLs are left out. */
function arrayElements(text: string): string[] {
  const elements = text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/gs)
  return [...elements].flatMap(([, quoted, plain]) => {
    if (quoted !== undefined) return [quoted.replaceAll(/\\(.)/gs, '$1')]
    return plain === undefined || plain === 'NULL' ? [] : [plain]
  })
}
