import type { Pool } from 'pg'
import type { RowTags } from '../protocol/messages.ts'
import { parseSnapshot } from '../protocol/snapshot-visibility.ts'
import {
  type FieldErrors,
  type ShapeParams,
  type SubsetParams,
  SubsetRefused,
  type SubsetRows,
} from '../protocol/source.ts'
import type { Catalog, TableInfo } from './catalog.ts'
import { sqlState, withConnection } from './connection.ts'
import { copyRows } from './copy-rows.ts'
import { quoteIdentifier } from './identifiers.ts'
import { checkCondition, whereSql } from './query-plan.ts'
import { parseLsn } from './replication-stream.ts'
import { createQueryRowWriter, type SelectedRow, selectedRow, selectionOf } from './row-queries.ts'
import { type PostgresShape, queryableColumns } from './shape-definition.ts'
import { checkExpression, dotted } from './where/check.ts'
import { toSql } from './where/expression.ts'
import {
  locationOf,
  nodeList,
  openNode,
  type PgFields,
  parseOrderBy,
  parseWhere,
  stringOf,
} from './where/parse.ts'
import { WhereError } from './where/where-error.ts'

/** SQLSTATE of a text that is not a value of its type. */
const INVALID_TEXT = '22P02'

/** A checked subset as SQL: a condition to AND to the shape's own, then ORDER BY, LIMIT and OFFSET. */
export interface PostgresSubset {
  readonly where: string
  readonly tail: string
}

/** Checks a subset against its shape's table. */
export async function defineSubset(
  catalog: Catalog,
  shape: PostgresShape,
  params: SubsetParams,
  request: ShapeParams,
): Promise<{ subset: PostgresSubset } | { errors: FieldErrors }> {
  const { table } = shape.plan
  const allowed = new Set(
    queryableColumns(table, request) ?? table.columns.map((column) => column.name),
  )
  try {
    const where =
      params.where === undefined ? 'true' : await subsetWhere(catalog, table, allowed, params)
    const order = params.orderBy === undefined ? '' : orderSql(params.orderBy, allowed)
    const limit = params.limit === undefined ? '' : ` LIMIT ${params.limit}`
    const offset = params.offset === undefined ? '' : ` OFFSET ${params.offset}`
    return { subset: { where, tail: `${order}${limit}${offset}` } }
  } catch (error) {
    if (error instanceof WhereError) return { errors: { [error.field]: [error.message] } }
    throw error
  }
}

/**
 * Reads the rows of a subset and the snapshot they come from.
 *
 * @param tagsOf returns the tags of a row, by which clients move it out again
 * @throws SubsetRefused for a text that is not a value of its type, such as an unknown enum value
 */
export async function readSubset(
  pool: Pool,
  shape: PostgresShape,
  subset: PostgresSubset,
  tagsOf: (row: SelectedRow) => RowTags | undefined,
): Promise<SubsetRows> {
  const { plan, message } = shape
  const selection = selectionOf(plan, message.columns)
  const sql = `SELECT s.snapshot, s.lsn, r.* FROM
      (SELECT pg_current_snapshot() AS snapshot, pg_current_wal_lsn() AS lsn) s
    LEFT JOIN LATERAL (SELECT true, ${selection.list} FROM ${plan.table.sqlName}
      WHERE ${whereSql(plan)} AND ${subset.where}${subset.tail}) r ON true`
  const mark = Math.floor(Math.random() * 2 ** 31)
  const writeRow = createQueryRowWriter(shape)
  const messages: string[] = []
  let snapshot: string | null = null
  let lsn: string | null = null
  const onRow = (values: (string | null)[]) => {
    ;[snapshot = null, lsn = null] = values
    if (values[2] === null) return
    const selected = selectedRow(selection, values, 3)
    messages.push(writeRow(selected.row, tagsOf(selected), { snapshot_mark: mark }))
  }
  await withConnection(pool, (client) => copyRows(client, sql, onRow)).catch((error: Error) => {
    throw sqlState(error) === INVALID_TEXT ? new SubsetRefused(error.message) : error
  })
  return { messages, snapshot: parseSnapshot(snapshot ?? ''), databaseLsn: parseLsn(lsn), mark }
}

async function subsetWhere(
  catalog: Catalog,
  table: TableInfo,
  allowed: ReadonlySet<string>,
  { where = '', params }: SubsetParams,
): Promise<string> {
  const parsed = parseWhere(where)
  if (parsed.subqueries.length > 0) throw new WhereError('Subqueries are not allowed in subsets')
  const columns = table.columns.filter((column) => allowed.has(column.name))
  const expression = checkExpression(parsed.root, {
    columns: new Map(columns.map((column) => [column.name, column.type])),
    params,
    allowEnums: true,
  })
  await checkCondition(catalog, expression)
  return toSql(expression, { membership: () => 'false' })
}

function orderSql(text: string, allowed: ReadonlySet<string>): string {
  // Postgres reads an integer as the position of a selected column, which the engine accepts and ignores.
  const sorts = parseOrderBy(text).filter(({ node }) => !isInteger(node))
  const terms = sorts.map((sort) => {
    const direction = sort.sortby_dir === 'SORTBY_DESC' ? ' DESC' : ''
    const nulls = { SORTBY_NULLS_FIRST: ' NULLS FIRST', SORTBY_NULLS_LAST: ' NULLS LAST' }
    const place = nulls[sort.sortby_nulls as keyof typeof nulls] ?? ''
    return `${orderColumn(sort, allowed)}${direction}${place}`
  })
  return terms.length === 0 ? '' : ` ORDER BY ${terms.join(', ')}`
}

function isInteger(node: unknown): boolean {
  const [type, fields] = openNode(node)
  return type === 'A_Const' && fields.ival !== undefined
}

/** Positions in these errors count the prefix of the parsed text, as in the engine. */
function orderColumn(sort: PgFields, allowed: ReadonlySet<string>): string {
  const [type, fields] = openNode(sort.node)
  const location = locationOf(fields)
  if (type !== 'ColumnRef') {
    const message = `At location ${location}: ${type} expressions are not allowed in ORDER BY clauses`
    throw new WhereError(message, 'order_by')
  }
  const path = nodeList(fields.fields).map(stringOf)
  const [name = ''] = path
  if (path.length !== 1 || !allowed.has(name)) {
    const message = `At location ${location}: unknown reference ${dotted(path)}`
    throw new WhereError(message, 'order_by')
  }
  return quoteIdentifier(name)
}
