import type { RowText } from '../protocol/row-key.ts'
import { parseSnapshot, type SnapshotBounds } from '../protocol/snapshot-visibility.ts'
import { type QueryPlan, rowSql, whereSql } from './query-plan.ts'
import { truthOf } from './row-evaluator.ts'
import type { Querier } from './snapshot-query.ts'
import { type ValueSet, valueParts } from './value-set.ts'
import type { Truth } from './where/condition.ts'
import { type Membership, quoteIdentifier, toSql } from './where/expression.ts'

/** A row that a query read, and what it said of the conditions that Postgres decides. */
export interface SelectedRow {
  readonly row: RowText
  readonly truth: (sql: string) => Truth
}

interface Selection {
  readonly columns: readonly string[]
  readonly leaves: readonly string[]
  readonly list: string
}

const batchSize = 2000

/**
 * Reads all rows of a plan through a cursor; call it within a transaction.
 *
 * @param columns - those a row must carry; keys and compared columns come along.
 */
export async function loadMembers(
  client: Querier,
  plan: QueryPlan,
  columns: readonly string[],
  onRows: (rows: readonly SelectedRow[]) => void,
): Promise<void> {
  const selection = selectionOf(plan, columns)
  const name = 'session_db_snapshot'
  await client.query(
    `DECLARE ${name} NO SCROLL CURSOR FOR
     SELECT ${selection.list} FROM ${plan.table.sqlName} WHERE ${whereSql(plan)}`,
  )
  const fetch = () =>
    client.query<(string | null)[]>({ text: `FETCH ${batchSize} FROM ${name}`, rowMode: 'array' })
  // Postgres reads the next batch while this one is written.
  let next = fetch()
  for (let more = true; more; ) {
    const { rows } = await next
    more = rows.length === batchSize
    if (more) {
      next = fetch()
      // Should writing fail, nobody waits for this one any more.
      next.catch(() => undefined)
    }
    if (rows.length > 0) onRows(rows.map((cells) => selectedRow(selection, cells, 0)))
  }
  await client.query(`CLOSE ${name}`)
}

/**
 * Reads the rows that satisfy a plan now that some subquery values count, and have one of those values.
 *
 * @param subsets - the values of each subquery as the stream has them.
 * @param on - per position, the values that count from now on.
 */
export async function readMovedIn(
  client: Querier,
  plan: QueryPlan,
  columns: readonly string[],
  subsets: readonly { readonly values: ValueSet }[],
  on: readonly (ReadonlySet<string | null> | undefined)[],
): Promise<{ bounds: SnapshotBounds; rows: SelectedRow[] }> {
  const selection = selectionOf(plan, columns)
  const values: unknown[] = []
  const memberOf = (membership: Membership, set: Iterable<string>) =>
    inArraysSql(plan, membership, set, values)
  const where = plan.where
    ? toSql(plan.where, {
        membership: (membership) => {
          const set = subsets[membership.subquery]?.values
          const sql = memberOf(membership, set?.values ?? [])
          return set?.hasNull ? `(${sql} OR NULL)` : sql
        },
      })
    : 'true'
  const touched = on.flatMap((set, pos) => {
    const leaf = plan.condition?.leaves[plan.form?.positions[pos]?.leaf ?? -1]
    if (!set || set.size === 0 || leaf?.kind !== 'membership') return []
    const values = [...set].filter((value) => value !== null)
    const isNull = leaf.membership.columns.map(({ name }) => `${quoteIdentifier(name)} IS NULL`)
    return [memberOf(leaf.membership, values), ...(set.has(null) ? isNull : [])]
  })
  const result = await client.query<(string | null)[]>({
    text: `SELECT s.snapshot, r.* FROM (SELECT pg_current_snapshot() AS snapshot) s
      LEFT JOIN LATERAL (SELECT true, ${selection.list} FROM ${plan.table.sqlName}
        WHERE ${where} AND (${touched.join(' OR ')})) r ON true`,
    values,
    rowMode: 'array',
  })
  const rows = result.rows.filter((cells) => cells[1] !== null)
  return {
    bounds: parseSnapshot(result.rows[0]?.[0] ?? ''),
    rows: rows.map((cells) => selectedRow(selection, cells, 2)),
  }
}

function inArraysSql(
  plan: QueryPlan,
  membership: Membership,
  set: Iterable<string>,
  values: unknown[],
): string {
  const { columns } = membership
  const parts = [...set].map((value) => valueParts(value, columns.length))
  const arrays = columns.map((column, i) => {
    const type = plan.table.columns.find(({ name }) => name === column.name)?.typeSql ?? 'text'
    values.push(parts.map((part) => part[i]))
    return `$${values.length}::${type}[]`
  })
  if (arrays.length === 1) return `(${rowSql(membership)} = ANY(${arrays[0]}))`
  return `(${rowSql(membership)} IN (SELECT * FROM unnest(${arrays.join(', ')})))`
}

/** What has to be selected of a plan's rows to know them and their conditions. */
export function selectionOf(plan: QueryPlan, columns: readonly string[]): Selection {
  const names = new Set([...columns, ...plan.table.keyColumns])
  const leaves: string[] = []
  // Without subqueries a row that was read is a member, and nobody asks for its conditions.
  for (const leaf of plan.form ? (plan.condition?.leaves ?? []) : []) {
    if (leaf.kind === 'membership') for (const { name } of leaf.membership.columns) names.add(name)
    else if (leaf.kind === 'test') for (const name of leaf.columns) names.add(name)
    else leaves.push(leaf.sql)
  }
  const list = [...[...names].map(quoteIdentifier), ...leaves.map((sql) => `(${sql})`)]
  const aliased = list.map((sql, i) => `${sql} AS c${i}`)
  return { columns: [...names], leaves, list: aliased.join(', ') }
}

/** Reads one row of a selection whose first cell is at `start`. */
export function selectedRow(
  selection: Selection,
  cells: readonly (string | null)[],
  start: number,
): SelectedRow {
  const row: Record<string, string | null> = {}
  for (const [i, name] of selection.columns.entries()) row[name] = cells[start + i] ?? null
  const leafStart = start + selection.columns.length
  return {
    row,
    truth: (sql) => truthOf(cells[leafStart + selection.leaves.indexOf(sql)] ?? null),
  }
}
