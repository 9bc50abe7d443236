import { quoteIdentifier, quoteLiteral } from '../identifiers.ts'

/**
 * A Postgres type by the names of the checker: `int4`, `text[]`, `enum mood`, or `unknown` for a literal
 * whose type depends on its context.
 */
export type PgType = string

/** A checked expression. Every part can be written as SQL that Postgres reads in the same way. */
export type Expression = Column | Constant | Call | And | Not | Membership

interface Located {
  /** Byte position in the parsed text. */
  readonly location: number
}

/** A column of the shape's table. */
export interface Column extends Located {
  readonly kind: 'column'
  readonly type: PgType
  readonly name: string
}

/** A literal or parameter. Its type is `unknown` until its context decides it. */
export interface Constant extends Located {
  readonly kind: 'constant'
  readonly type: PgType
  readonly value: string | null
  /** The number of the parameter it came from. */
  readonly param?: number
}

/** An operator, function, cast or other construct with arguments. */
export interface Call extends Located {
  readonly kind: 'call'
  readonly type: PgType
  /** The operator or function, for messages and simple tests. */
  readonly name: string
  readonly args: readonly Expression[]
  /** Writes the construct from the SQL of its arguments. */
  readonly sql: (args: readonly string[]) => string
}

interface And extends Located {
  readonly kind: 'and' | 'or'
  readonly type: 'bool'
  readonly args: readonly Expression[]
}

interface Not extends Located {
  readonly kind: 'not'
  readonly type: 'bool'
  readonly args: readonly [Expression]
}

/** `columns IN (SELECT …)`, with the subquery by its index. */
export interface Membership extends Located {
  readonly kind: 'membership'
  readonly type: 'bool'
  readonly columns: readonly Column[]
  readonly subquery: number
}

/** Options of `toSql`. */
export interface SqlWriter {
  readonly membership: (membership: Membership) => string
  /** Marks parameters, so that they differ from equal literals. Used for a shape's identity. */
  readonly markParams?: boolean
}

/**
 * Writes an expression as SQL in a normal form.
 *
 * @example
 * toSql(expression, { membership: () => 'true' })
 */
export function toSql(expression: Expression, writer: SqlWriter): string {
  switch (expression.kind) {
    case 'column':
      return quoteIdentifier(expression.name)
    case 'constant': {
      const text = expression.value === null ? 'NULL' : quoteLiteral(expression.value)
      const typed = hasSqlName(expression.type) ? `${text}::pg_catalog.${expression.type}` : text
      return writer.markParams && expression.param ? `$${expression.param}=${typed}` : typed
    }
    case 'membership':
      return writer.membership(expression)
    case 'not':
      return `(NOT ${toSql(expression.args[0], writer)})`
    case 'and':
    case 'or': {
      const parts = expression.args.map((arg) => toSql(arg, writer))
      return `(${parts.join(expression.kind === 'and' ? ' AND ' : ' OR ')})`
    }
    case 'call':
      return expression.sql(expression.args.map((arg) => toSql(arg, writer)))
  }
}

/** Enums can be in any schema; Postgres infers their type from the other operand. */
function hasSqlName(type: PgType): boolean {
  return type !== 'unknown' && !type.startsWith('enum ')
}

/** Returns the largest operator and function calls without columns. */
export function constantCalls(expression: Expression): Call[] {
  if (expression.kind === 'column' || expression.kind === 'constant') return []
  if (expression.kind === 'membership') return []
  if (expression.kind === 'call' && columnsOf(expression).length === 0) return [expression]
  return expression.args.flatMap(constantCalls)
}

/** Returns every column that an expression reads, including those of memberships. */
export function columnsOf(expression: Expression): string[] {
  switch (expression.kind) {
    case 'column':
      return [expression.name]
    case 'constant':
      return []
    case 'membership':
      return expression.columns.map((column) => column.name)
    default:
      return expression.args.flatMap(columnsOf)
  }
}
