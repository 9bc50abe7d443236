/**
 * A Postgres type as the checker knows it: `int4`, `text[]`, `enum mood`, or `unknown` for a
 * literal whose type follows from where it stands.
 */
export type PgType = string

/** A checked expression. Every part can be written back as SQL that Postgres reads the same way. */
export type Expression =
  | Column
  | Constant
  | ({ readonly kind: 'call'; readonly type: PgType; readonly location: number } & Rendered)
  | ({
      readonly kind: 'and' | 'or'
      readonly type: 'bool'
      readonly args: readonly Expression[]
    } & Located)
  | ({
      readonly kind: 'not'
      readonly type: 'bool'
      readonly args: readonly [Expression]
    } & Located)
  | Membership

interface Located {
  readonly location: number
}

interface Rendered {
  /** For messages only. */
  readonly name: string
  readonly args: readonly Expression[]
  readonly sql: (args: readonly string[]) => string
}

/** A column of the shape's table. */
export interface Column extends Located {
  readonly kind: 'column'
  readonly type: PgType
  readonly name: string
}

/** A literal or parameter; its type is `unknown` until something decides it. */
export interface Constant extends Located {
  readonly kind: 'constant'
  readonly type: PgType
  readonly value: string | null
  /** The number of the parameter it came from. */
  readonly param?: number
}

/** `columns IN (SELECT …)`, the subquery by its index. */
export interface Membership extends Located {
  readonly kind: 'membership'
  readonly type: 'bool'
  readonly columns: readonly Column[]
  readonly subquery: number
}

/** How `toSql` writes what is not plain SQL. */
export interface SqlWriter {
  readonly membership: (membership: Membership) => string
  /** Writes parameters apart from equal literals, for a shape's identity. */
  readonly markParams?: boolean
}

/**
 * Writes an expression as SQL, in one normal form.
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
      const typed = hasName(expression.type) ? `${text}::pg_catalog.${expression.type}` : text
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

/** Quotes a name for SQL. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a text for SQL, whatever `standard_conforming_strings` says. */
function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted
}

/** Enums may live in any schema; Postgres finds their type by the other operand. */
function hasName(type: PgType): boolean {
  return type !== 'unknown' && !type.startsWith('enum ')
}

/** Every column an expression reads, memberships included. */
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
