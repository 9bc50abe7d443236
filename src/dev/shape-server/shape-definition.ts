import type { MessageShape } from '../protocol/messages.ts'
import type { FieldErrors, ShapeDefinition, ShapeParams } from '../protocol/source.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { IdentifierError, parseColumns, parseRelation } from './identifiers.ts'
import {
  allPlans,
  findTable,
  hasColumn,
  planIdentity,
  planQuery,
  type QueryPlan,
} from './query-plan.ts'
import { parseWhere } from './where/parse.ts'
import { WhereError } from './where/where-error.ts'

/** A checked shape of a Postgres table. */
export interface PostgresShape extends ShapeDefinition {
  readonly plan: QueryPlan
  readonly message: MessageShape
  /** True if the request omitted `columns`. Then a new column of the table ends the shape. */
  readonly allColumns: boolean
  readonly log: 'full' | 'changes_only'
}

/** Recently checked shapes, because clients repeat their request with every poll. */
const recentByCatalog = new WeakMap<Catalog, Map<string, PostgresShape>>()
const MAX_RECENT = 2000

/** Checks a shape request against the database. Results are cached until the catalog forgets a table. */
export async function defineShape(
  catalog: Catalog,
  params: ShapeParams,
): Promise<{ definition: PostgresShape } | { errors: FieldErrors }> {
  try {
    return { definition: await cachedShape(catalog, params) }
  } catch (error) {
    if (error instanceof WhereError) return { errors: { [error.field]: [error.message] } }
    throw error
  }
}

async function cachedShape(catalog: Catalog, params: ShapeParams): Promise<PostgresShape> {
  const recent = recentByCatalog.get(catalog) ?? new Map<string, PostgresShape>()
  recentByCatalog.set(catalog, recent)
  const { table, where, columns, queryableColumns, replica, log } = params
  const key = JSON.stringify([table, where, params.params, columns, queryableColumns, replica, log])
  const known = recent.get(key)
  const shape =
    known && (await hasSameTables(catalog, known.plan))
      ? known
      : await checkedShape(catalog, params)
  // A Map keeps insertion order: the first entry is the least recently used.
  recent.delete(key)
  recent.set(key, shape)
  for (const oldest of recent.keys()) {
    if (recent.size <= MAX_RECENT) break
    recent.delete(oldest)
  }
  return shape
}

/** Returns whether the catalog still has all tables of a plan. */
async function hasSameTables(catalog: Catalog, plan: QueryPlan): Promise<boolean> {
  for (const { table } of allPlans(plan)) {
    if ((await catalog.find(table.relation)) !== table) return false
  }
  return true
}

async function checkedShape(catalog: Catalog, params: ShapeParams): Promise<PostgresShape> {
  const relation = underField('table', () => parseRelation(params.table))
  const table = await findTable(catalog, relation)
  const columns = selectedColumns(table, params)
  const parsed = params.where === undefined ? undefined : parseWhere(params.where)
  const plan = await planQuery(catalog, table, parsed, params.params)
  const names = table.columns.map((column) => column.name).filter((name) => columns.has(name))
  const allColumns = params.columns === undefined && params.queryableColumns === undefined
  const key = JSON.stringify([
    relation,
    table.keyColumns,
    planIdentity(plan),
    names,
    allColumns,
    params.replica,
    params.log,
  ])
  return {
    key,
    schema: JSON.stringify(schemaOf(table, columns)),
    plan,
    message: {
      relation,
      keyColumns: table.keyColumns,
      columns: names,
      replica: params.replica,
    },
    allColumns,
    log: params.log,
  }
}

/** Returns the columns that a shape sends, checked in the engine's order. */
function selectedColumns(table: TableInfo, params: ShapeParams): Set<string> {
  const queryable = queryableColumns(table, params)
  const all = table.columns.map((column) => column.name)
  const asked =
    params.columns === undefined
      ? (queryable ?? all)
      : underField('columns', () => parseColumns(params.columns as string))
  const allowed = new Set(queryable ?? all)
  const keys = primaryKey(table).filter((name) => !asked.includes(name))
  if (keys.length > 0) {
    const message = `The list of columns must include all primary key columns, missing: ${keys.join(', ')}`
    throw new WhereError(message, 'columns')
  }
  const missing = asked.filter((name) => !allowed.has(name))
  if (missing.length > 0) {
    const message = `The following columns are not found on the table: ${missing.join(', ')}`
    throw new WhereError(message, 'columns')
  }
  const generated = table.columns.filter(({ name, generated: is }) => is && asked.includes(name))
  if (generated.length > 0) {
    const list = generated.map((column) => column.name).join(', ')
    const advice =
      params.columns === undefined
        ? ". You can exclude them from the shape by explicitly listing which columns to fetch in the 'columns' query param"
        : ''
    throw new WhereError(
      `The following columns are generated and cannot be included in the shape: ${list}${advice}`,
      'columns',
    )
  }
  return new Set(asked)
}

/** Returns the columns that a subset may refer to; undefined if the request does not restrict them. */
export function queryableColumns(table: TableInfo, params: ShapeParams): string[] | undefined {
  const text = params.queryableColumns
  if (text === undefined) return undefined
  const names = underField('queryable_columns', () => parseColumns(text))
  const missing = names.filter((name) => !hasColumn(table, name))
  if (missing.length > 0) {
    throw new WhereError(
      `The following queryable columns are not found on the table: ${missing.join(', ')}`,
      'queryable_columns',
    )
  }
  const keys = primaryKey(table).filter((name) => !names.includes(name))
  if (keys.length > 0) {
    throw new WhereError(
      `The list of queryable columns must include all primary key columns, missing: ${keys.join(', ')}`,
      'queryable_columns',
    )
  }
  return names
}

function primaryKey(table: TableInfo): string[] {
  return table.columns.filter((column) => column.pkIndex !== undefined).map(({ name }) => name)
}

function schemaOf(table: TableInfo, columns: ReadonlySet<string>): Record<string, unknown> {
  const selected = table.columns.filter((column) => columns.has(column.name))
  return Object.fromEntries(selected.map((column) => [column.name, column.schemaEntry]))
}

function underField<T>(field: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof IdentifierError) throw new WhereError(error.message, field)
    throw error
  }
}
