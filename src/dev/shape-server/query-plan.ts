import type { Relation } from '../protocol/messages.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { quoteIdentifier } from './identifiers.ts'
import { checkExpression } from './where/check.ts'
import {
  type Condition,
  compileCondition,
  type DisjunctiveForm,
  disjunctiveForm,
} from './where/condition.ts'
import { constantCalls, type Expression, type Membership, toSql } from './where/expression.ts'
import { type ParsedWhere, type SelectParts, withSubqueries } from './where/parse.ts'
import { errorAt, WhereError } from './where/where-error.ts'

/** A table and a checked condition on its rows, ready to query and to follow in the stream. */
export interface QueryPlan {
  readonly table: TableInfo
  readonly where: Expression | undefined
  readonly condition: Condition | undefined
  /** Only for conditions with subqueries, whose values can move rows in and out. */
  readonly form: DisjunctiveForm | undefined
  readonly subqueries: readonly SubqueryPlan[]
}

/** The plan of a subquery and the columns it selects. */
export interface SubqueryPlan extends QueryPlan {
  readonly columns: readonly string[]
}

/**
 * Checks a where clause against its table, subqueries first.
 *
 * @throws WhereError
 */
export async function planQuery(
  catalog: Catalog,
  table: TableInfo,
  parsed: ParsedWhere | undefined,
  params: readonly string[],
): Promise<QueryPlan> {
  if (!parsed) {
    return { table, where: undefined, condition: undefined, form: undefined, subqueries: [] }
  }
  const subqueries: SubqueryPlan[] = []
  for (const select of parsed.subqueries) {
    subqueries.push(await planSubquery(catalog, select, params))
  }
  const where = checkExpression(parsed.root, {
    columns: new Map(table.columns.map((column) => [column.name, column.type])),
    params,
    subqueries: subqueries.map((subquery) =>
      subquery.columns.map((name) => columnType(subquery.table, name)),
    ),
  })
  await checkCondition(catalog, where)
  const condition = compileCondition(where)
  const form = subqueries.length > 0 ? disjunctiveForm(condition.tree) : undefined
  return { table, where, condition, form, subqueries }
}

/**
 * Checks the type of a condition, and the values of its constant parts, which the engine computes once.
 *
 * @throws WhereError
 */
export async function checkCondition(catalog: Catalog, where: Expression): Promise<void> {
  if (where.type !== 'bool') throw new WhereError('WHERE clause must return a boolean')
  const constants = constantCalls(where).map((call) => toSql(call, { membership: () => 'false' }))
  if (constants.length > 0 && !(await catalog.canEvaluate(constants))) {
    throw errorAt(0, 'Failed to apply function to constant arguments')
  }
}

async function planSubquery(
  catalog: Catalog,
  select: SelectParts,
  params: readonly string[],
): Promise<SubqueryPlan> {
  const table = await findTable(catalog, [select.schema, select.table])
  const missing = select.columns.filter((name) => !hasColumn(table, name))
  if (missing.length > 0) {
    const message = `The following columns are not found on the table: ${missing.join(', ')}`
    throw new WhereError(message, 'columns')
  }
  const parsed = select.where && withSubqueries(select.where)
  return { ...(await planQuery(catalog, table, parsed, params)), columns: select.columns }
}

/**
 * Finds a table.
 *
 * @throws WhereError under `table` if there is none
 */
export async function findTable(catalog: Catalog, relation: Relation): Promise<TableInfo> {
  const table = await catalog.find(relation)
  if (table) return table
  const [schema, name] = relation
  throw new WhereError(
    `Table "${schema}"."${name}" does not exist. If the table name contains capitals or special characters you must quote it.`,
    'table',
  )
}

export function hasColumn(table: TableInfo, name: string): boolean {
  return table.columns.some((column) => column.name === name)
}

function columnType(table: TableInfo, name: string): string {
  return table.columns.find((column) => column.name === name)?.type ?? 'unknown'
}

/** Writes the where clause as SQL, subqueries included. */
export function whereSql(plan: QueryPlan): string {
  if (!plan.where) return 'true'
  return toSql(plan.where, { membership: (membership) => membershipSql(plan, membership) })
}

function membershipSql(plan: QueryPlan, membership: Membership): string {
  const subquery = plan.subqueries[membership.subquery] as SubqueryPlan
  const columns = subquery.columns.map(quoteIdentifier).join(', ')
  const select = `SELECT ${columns} FROM ${subquery.table.sqlName} WHERE ${whereSql(subquery)}`
  return `(${rowSql(membership)} IN (${select}))`
}

/** Writes the left side of a membership. */
export function rowSql(membership: Membership): string {
  const names = membership.columns.map((column) => quoteIdentifier(column.name))
  return names.length === 1 ? (names[0] as string) : `(${names.join(', ')})`
}

/** Returns a text that identifies a where clause: equal for equal parse trees and parameters. */
export function planIdentity(plan: QueryPlan): string {
  if (!plan.where) return ''
  return toSql(plan.where, {
    markParams: true,
    membership: (membership) => {
      const { table, columns, ...rest } = plan.subqueries[membership.subquery] as SubqueryPlan
      const inner = planIdentity({ table, ...rest })
      return `${rowSql(membership)} IN ${JSON.stringify([table.relation, columns, inner])}`
    },
  })
}

/** Returns the plan and those of all its subqueries, at every depth. */
export function allPlans(plan: QueryPlan): QueryPlan[] {
  return [plan, ...plan.subqueries.flatMap(allPlans)]
}
