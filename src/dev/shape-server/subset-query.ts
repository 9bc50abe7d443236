import { createRowWriter } from '../protocol/change-message.ts'
import type { RowTags } from '../protocol/move-tags.ts'
import { parseSnapshot } from '../protocol/snapshot-visibility.ts'
import {
  type FieldErrors,
  type ShapeParams,
  type SubsetParams,
  SubsetRefused,
  type SubsetRows,
} from '../protocol/source.ts'
import { booleanWriter } from './boolean-writer.ts'
import type { TableInfo } from './catalog.ts'
import { sqlState } from './connection.ts'
import { type SelectedRow, selectedRow, selectionOf } from './member-queries.ts'
import { whereSql } from './query-plan.ts'
import { parseLsn } from './replication-stream.ts'
import { type PostgresShape, queryableColumns } from './shape-definition.ts'
import type { Querier } from './snapshot-query.ts'
import { checkExpression, dotted } from './where/check-expression.ts'
import { type Expression, quoteIdentifier, toSql } from './where/expression.ts'
import { parseOrderBy, parseWhere } from './where/parse-where.ts'
import { locationOf, nodeList, openNode, type PgFields, stringOf } from './where/pg-node.ts'
import { WhereError } from './where/where-error.ts'

/** SQLSTATE of a text that is no value of its type. */
const invalidText = '22P02'

/** A checked subset: what is ANDed to the shape's own condition, and which part of the rows. */
export interface PostgresSubset {
  readonly where: string
  readonly tail: string
}

/**
 * Checks a subset against its shape's table.
 *
 * @example
 * defineSubset(shape, { where: 'n > $1', params: ['7'], … }, request)
 */
export function defineSubset(
  shape: PostgresShape,
  params: SubsetParams,
  request: ShapeParams,
): { subset: PostgresSubset } | { errors: FieldErrors } {
  const { table } = shape.plan
  const allowed = new Set(
    queryableColumns(table, request) ?? table.columns.map((column) => column.name),
  )
  try {
    const where = params.where === undefined ? 'true' : subsetWhere(table, allowed, params)
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
 * Reads the rows of a subset, and the snapshot they come from.
 *
 * @param tagsOf - tells the tags of a row, by which clients move it out again.
 * @throws SubsetRefused for a value that its type does not have, an enum's for one.
 */
export async function readSubset(
  client: Querier,
  shape: PostgresShape,
  subset: PostgresSubset,
  tagsOf: (row: SelectedRow) => RowTags | undefined,
): Promise<SubsetRows> {
  const { plan, message } = shape
  const selection = selectionOf(plan, [...message.columns, ...message.keyColumns])
  const query = {
    text: `SELECT s.snapshot, s.lsn, r.* FROM
        (SELECT pg_current_snapshot() AS snapshot, pg_current_wal_lsn() AS lsn) s
      LEFT JOIN LATERAL (SELECT true, ${selection.list} FROM ${plan.table.sqlName}
        WHERE ${whereSql(plan)} AND ${subset.where}${subset.tail}) r ON true`,
    rowMode: 'array' as const,
  }
  const result = await client.query<(string | null)[]>(query).catch((error: Error) => {
    throw sqlState(error) === invalidText ? new SubsetRefused(error.message) : error
  })
  const mark = Math.floor(Math.random() * 2 ** 31)
  const asPrinted = booleanWriter(shape)
  const writeRow = createRowWriter(message)
  const messages = result.rows
    .filter((cells) => cells[2] !== null)
    .map((cells) => {
      const selected = selectedRow(selection, cells, 3)
      return writeRow(asPrinted(selected.row), tagsOf(selected), { snapshot_mark: mark })
    })
  const [snapshotText, lsn] = result.rows[0] ?? []
  const snapshot = parseSnapshot(snapshotText ?? '')
  return { messages, snapshot, databaseLsn: parseLsn(lsn ?? null), mark }
}

function subsetWhere(
  table: TableInfo,
  allowed: ReadonlySet<string>,
  { where = '', params }: SubsetParams,
): string {
  const parsed = parseWhere(where)
  if (parsed.subqueries.length > 0) throw new WhereError('Subqueries are not allowed in subsets')
  const columns = table.columns.filter((column) => allowed.has(column.name))
  const expression: Expression = checkExpression(parsed.root, {
    columns: new Map(columns.map((column) => [column.name, column.type])),
    params,
    decided: new Map(),
    subqueries: [],
    met: 0,
    allowEnums: true,
  })
  if (expression.type !== 'bool') {
    throw new WhereError('WHERE clause must return a boolean')
  }
  return toSql(expression, { membership: () => 'false' })
}

function orderSql(text: string, allowed: ReadonlySet<string>): string {
  const terms = parseOrderBy(text).map((sort) => {
    const direction = sort.sortby_dir === 'SORTBY_DESC' ? ' DESC' : ''
    const nulls = { SORTBY_NULLS_FIRST: ' NULLS FIRST', SORTBY_NULLS_LAST: ' NULLS LAST' }
    const place = nulls[sort.sortby_nulls as keyof typeof nulls] ?? ''
    return `${orderColumn(sort, allowed)}${direction}${place}`
  })
  return ` ORDER BY ${terms.join(', ')}`
}

/** Positions in errors are those of the parsed text, prefix included: so the engine has it here. */
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
