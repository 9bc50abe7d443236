import type { Pool } from 'pg'
import { createRowWriter, type RowText, type RowWriter } from '../protocol/messages.ts'
import { parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import type { TableInfo } from './catalog.ts'
import { type Querier, withConnection } from './connection.ts'
import { copyRows } from './copy-rows.ts'
import { quoteIdentifier, quoteLiteral } from './identifiers.ts'
import { type QueryPlan, rowSql, whereSql } from './query-plan.ts'
import type { PostgresShape } from './shape-definition.ts'
import { type ValueSet, valueParts } from './value-set.ts'
import type { Leaf, Truth } from './where/condition.ts'
import { type Membership, toSql } from './where/expression.ts'

type SqlLeaf = Extract<Leaf, { kind: 'sql' }>

/** A row read by a query, with the results of the conditions that Postgres decides. */
export interface SelectedRow {
  readonly row: RowText
  readonly truth: (sql: string) => Truth
}

/** The columns and conditions that a query selects. */
interface Selection {
  readonly columns: readonly string[]
  readonly leaves: readonly string[]
  readonly list: string
}

/**
 * Reads all rows of a plan. Call it within a transaction.
 *
 * @param columns the columns that rows must carry; keys and compared columns are added
 */
export function readRows(
  client: Querier,
  plan: QueryPlan,
  columns: readonly string[],
  onRow: (row: SelectedRow) => void,
): Promise<void> {
  const selection = selectionOf(plan, columns)
  const sql = `SELECT ${selection.list} FROM ${plan.table.sqlName} WHERE ${whereSql(plan)}`
  return copyRows(client, sql, (values) => onRow(selectedRow(selection, values, 0)))
}

/**
 * Reads the rows that have become visible because subquery values were added.
 *
 * @param subsets the values of each subquery, as far as the stream has been applied
 * @param on per position, the added values
 */
export async function readMovedIn(
  pool: Pool,
  plan: QueryPlan,
  columns: readonly string[],
  subsets: readonly { readonly values: ValueSet }[],
  on: readonly (ReadonlySet<string | null> | undefined)[],
): Promise<{ bounds: SnapshotBounds; rows: SelectedRow[] }> {
  const selection = selectionOf(plan, columns)
  const where = plan.where
    ? toSql(plan.where, {
        membership: (membership) => {
          const set = subsets[membership.subquery]?.values
          const sql = inListSql(plan, membership, set?.values ?? [])
          return set?.hasNull ? `(${sql} OR NULL)` : sql
        },
      })
    : 'true'
  const touched = on.flatMap((set, pos) => {
    const leaf = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
    if (!set || set.size === 0 || leaf?.kind !== 'membership') return []
    const values = [...set].filter((value) => value !== null)
    const isNull = leaf.membership.columns.map(({ name }) => `${quoteIdentifier(name)} IS NULL`)
    return [inListSql(plan, leaf.membership, values), ...(set.has(null) ? isNull : [])]
  })
  const sql = `SELECT s.snapshot, r.* FROM (SELECT pg_current_snapshot() AS snapshot) s
    LEFT JOIN LATERAL (SELECT true, ${selection.list} FROM ${plan.table.sqlName}
      WHERE ${where} AND (${touched.join(' OR ')})) r ON true`
  let snapshot = ''
  const rows: SelectedRow[] = []
  await withConnection(pool, (client) =>
    copyRows(client, sql, (values) => {
      snapshot = values[0] ?? ''
      if (values[1] !== null) rows.push(selectedRow(selection, values, 2))
    }),
  )
  return { bounds: parseSnapshot(snapshot), rows }
}

function inListSql(plan: QueryPlan, membership: Membership, set: Iterable<string>): string {
  const { columns } = membership
  const parts = [...set].map(valueParts)
  const arrays = columns.map((column, i) => {
    const type = plan.table.columns.find(({ name }) => name === column.name)?.typeSql ?? 'text'
    return `ARRAY[${parts.map((part) => quoteLiteral(part[i] as string)).join(', ')}]::${type}[]`
  })
  if (arrays.length === 1) return `(${rowSql(membership)} = ANY(${arrays[0]}))`
  return `(${rowSql(membership)} IN (SELECT * FROM unnest(${arrays.join(', ')})))`
}

/** Returns the select list that determines a plan's rows and their conditions. */
export function selectionOf(plan: QueryPlan, columns: readonly string[]): Selection {
  const names = new Set([...columns, ...plan.table.keyColumns])
  const leaves: string[] = []
  // Without subqueries every row that was read belongs to the shape; its conditions are not needed.
  for (const leaf of plan.form ? (plan.condition?.leaves ?? []) : []) {
    if (leaf.kind === 'membership') for (const { name } of leaf.membership.columns) names.add(name)
    else if (leaf.kind === 'test') for (const name of leaf.columns) names.add(name)
    else leaves.push(leaf.sql)
  }
  const list = [...[...names].map(quoteIdentifier), ...leaves.map((sql) => `(${sql})`)]
  const aliased = list.map((sql, i) => `${sql} AS c${i}`)
  return { columns: [...names], leaves, list: aliased.join(', ') }
}

/** Builds the row of a selection whose first value is at `start`. */
export function selectedRow(
  selection: Selection,
  values: readonly (string | null)[],
  start: number,
): SelectedRow {
  const row: Record<string, string | null> = {}
  let at = start
  for (const name of selection.columns) row[name] = values[at++] ?? null
  return {
    row,
    truth: (sql) => truthOf(values[at + selection.leaves.indexOf(sql)] ?? null),
  }
}

/**
 * Creates a writer for rows that queries read. The engine's queries print booleans as `true` and `false`,
 * the stream as `t` and `f`; rows here always have the latter.
 */
export function createQueryRowWriter({ plan, message }: PostgresShape): RowWriter {
  const write = createRowWriter(message)
  const booleans = plan.table.columns
    .filter(({ type, name }) => type === 'bool' && message.columns.includes(name))
    .map((column) => column.name)
  if (booleans.length === 0) return write
  return (row, ...rest) => {
    const printed = { ...row }
    for (const name of booleans) {
      if (printed[name] != null) printed[name] = printed[name] === 't' ? 'true' : 'false'
    }
    return write(printed, ...rest)
  }
}

/** Rows of the stream and the SQL conditions to decide for each. */
export interface EvaluationRequest {
  readonly table: TableInfo
  readonly rows: readonly RowText[]
  readonly leaves: readonly SqlLeaf[]
}

const ROWS_PER_QUERY = 2000
const LEAVES_PER_QUERY = 500

/**
 * Has Postgres decide conditions for rows of the stream, for all shapes of a table together. A condition
 * that fails does not affect the others.
 *
 * @returns a function that returns a result, and throws for a condition that Postgres could not decide
 */
export async function evaluateRows(
  pool: Pool,
  requests: readonly EvaluationRequest[],
): Promise<(row: RowText, sql: string) => Truth> {
  const results = new Map<string, Map<RowText, Truth>>()
  const failures = new Map<string, unknown>()

  async function evaluate(request: EvaluationRequest): Promise<void> {
    const { table, rows, leaves } = request
    try {
      const answers = await decideInPostgres(pool, request)
      for (const [i, { sql }] of leaves.entries()) {
        const byRow = results.get(sql) ?? new Map<RowText, Truth>()
        for (const [row, answer] of answers.entries()) {
          byRow.set(rows[row] as RowText, truthOf(answer[i] ?? null))
        }
        results.set(sql, byRow)
      }
    } catch (error) {
      if (leaves.length === 1) failures.set((leaves[0] as SqlLeaf).sql, error)
      else for (const leaf of leaves) await evaluate({ table, rows, leaves: [leaf] })
    }
  }

  for (const { table, rows, leaves } of requests) {
    for (const leafPart of slices(leaves, LEAVES_PER_QUERY)) {
      for (const rowPart of slices(rows, ROWS_PER_QUERY)) {
        await evaluate({ table, rows: rowPart, leaves: leafPart })
      }
    }
  }

  return (row, sql) => {
    const value = results.get(sql)?.get(row)
    if (value !== undefined) return value
    throw new Error(`Postgres could not decide "${sql}"`, { cause: failures.get(sql) })
  }
}

async function decideInPostgres(
  pool: Pool,
  { table, rows, leaves }: EvaluationRequest,
): Promise<(string | null)[][]> {
  const names = new Set(leaves.flatMap((leaf) => leaf.columns))
  const columns = table.columns.filter((column) => names.has(column.name))
  const records = rows.map((row, index) => {
    const record: Record<string, unknown> = { $row: index }
    for (const { name } of columns) record[name] = row[name] ?? null
    return record
  })
  const types = columns.map(({ name, typeSql }) => `${quoteIdentifier(name)} ${typeSql}`)
  const result = await pool.query<(string | null)[]>({
    text: `SELECT ${leaves.map((leaf) => leaf.sql).join(', ')}
      FROM json_to_recordset($1::json) AS "$rows"(${['"$row" int', ...types].join(', ')})
      ORDER BY "$row"`,
    values: [JSON.stringify(records)],
    rowMode: 'array',
  })
  return result.rows
}

function truthOf(text: string | null): Truth {
  return text === null ? null : text === 't'
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
