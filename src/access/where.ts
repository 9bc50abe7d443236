import type { Condition } from './condition.ts'

/** A value that `eq` and `inArray` compare a column with. */
export type Value = string | number | bigint | boolean

/**
 * A value that columns are ordered by. Text isn't: its order depends on the database's collation, which a
 * browser or a test doesn't have.
 */
export type Ordered = number | bigint | Date

/** The rows of another table whose `select` column is the list that `inArray` looks in. */
export interface Subquery {
  readonly table: string
  readonly select: string
  readonly where: Condition
  /**
   * The column of `table` that holds the tenant, `tenant_id` by default. A shape only counts rows of the
   * principal's tenant. `null` for a table without tenants.
   */
  readonly tenantColumn?: string | null
}

/**
 * The column has this value.
 *
 * @example
 * where.eq('folder_id', folderId)
 */
export function eq(column: string, value: Value): Condition {
  return { kind: 'eq', column, value: String(value) }
}

/**
 * The column's value is one of `values`, or one that the subquery selects. An empty list matches no row.
 *
 * @example
 * where.inArray('status', ['open', 'late'])
 * @example
 * const mine = where.eq('user_id', principal.userId)
 * where.inArray('id', { table: 'project_members', select: 'project_id', where: mine })
 */
export function inArray(column: string, values: readonly Value[] | Subquery): Condition {
  if (!isSubquery(values)) return { kind: 'inList', column, values: values.map(String) }
  return { kind: 'inSubquery', column, ...values }
}

function isSubquery(values: readonly Value[] | Subquery): values is Subquery {
  return !Array.isArray(values)
}

/**
 * The array column contains the value.
 *
 * @example
 * where.contains('audiences', 'tenant')
 */
export function contains(column: string, value: Value): Condition {
  return { kind: 'contains', column, value: String(value) }
}

/** The column is NULL. */
export function isNull(column: string): Condition {
  return { kind: 'isNull', column }
}

/** The column is greater than `value`. Times are compared to the millisecond. */
export function gt(column: string, value: Ordered): Condition {
  return comparison(column, '>', value)
}

/** The column is greater than `value`, or equal. */
export function gte(column: string, value: Ordered): Condition {
  return comparison(column, '>=', value)
}

/** The column is less than `value`. */
export function lt(column: string, value: Ordered): Condition {
  return comparison(column, '<', value)
}

/** The column is less than `value`, or equal. */
export function lte(column: string, value: Ordered): Condition {
  return comparison(column, '<=', value)
}

/** The column is at least `from` and at most `to`, as with SQL's BETWEEN. */
export function between(column: string, from: Ordered, to: Ordered): Condition {
  return and(gte(column, from), lte(column, to))
}

/** All of the conditions hold. Without any, every row matches. */
export function and(...conditions: Condition[]): Condition {
  return { kind: 'and', conditions }
}

/** At least one of the conditions holds. Without any, no row matches. */
export function or(...conditions: Condition[]): Condition {
  return { kind: 'or', conditions }
}

/** The condition is false. As in SQL, a comparison with NULL is neither true nor false, so `not` excludes it too. */
export function not(condition: Condition): Condition {
  return { kind: 'not', condition }
}

function comparison(column: string, operator: '<' | '<=' | '>' | '>=', value: Ordered): Condition {
  return value instanceof Date
    ? { kind: 'compare', column, operator, type: 'timestamp', value: value.toISOString() }
    : { kind: 'compare', column, operator, type: 'number', value: String(value) }
}
