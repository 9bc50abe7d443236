import type { Relation } from '../protocol/row-key.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { checkExpression } from './where/check-expression.ts'
import { type Condition, compileCondition } from './where/condition.ts'
import { type Expression, type Membership, quoteIdentifier, toSql } from './where/expression.ts'
import type { ParsedWhere, SelectParts } from './where/parse-where.ts'
import { subqueriesOf } from './where/parse-where.ts'
import { type DisjunctiveForm, disjunctiveForm } from './where/positions.ts'
import { WhereError } from './where/where-error.ts'

/** A table and the condition its rows are held to, ready to be asked and followed. */
export interface QueryPlan {
  readonly table: TableInfo
  readonly where: Expression | undefined
  readonly condition: Condition | undefined
  /** Positions of the condition; only where there are subqueries, whose values may move rows. */
  readonly form: DisjunctiveForm | undefined
  readonly subqueries: readonly SubqueryPlan[]
}

/** The plan of a subquery, and what it selects. */
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
    decided: new Map(),
    subqueries: subqueries.map((subquery) =>
      subquery.columns.map((name) => columnType(subquery.table, name)),
    ),
    met: 0,
  })
  if (where.type !== 'bool') {
    throw new WhereError('WHERE clause must return a boolean')
  }
  const condition = compileCondition(where)
  const form = subqueries.length > 0 ? disjunctiveForm(condition.tree) : undefined
  return { table, where, condition, form, subqueries }
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
  const parsed = select.where && subqueriesOf(select.where)
  return { ...(await planQuery(catalog, table, parsed, params)), columns: select.columns }
}

/**
 * Finds a table.
 *
 * @throws WhereError under `table` where there is none.
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

/** The where clause as Postgres reads it, subqueries written out. */
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

/** The left side of a membership. */
export function rowSql(membership: Membership): string {
  const names = membership.columns.map((column) => quoteIdentifier(column.name))
  return names.length === 1 ? (names[0] as string) : `(${names.join(', ')})`
}

/** A text that is the same for where clauses that mean the same parse tree and parameters. */
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

/** The plan and those of all its subqueries, at every depth. */
export function allPlans(plan: QueryPlan): QueryPlan[] {
  return [plan, ...plan.subqueries.flatMap(allPlans)]
}
