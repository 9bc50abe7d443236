import type { Pool } from 'pg'
import type { RowText } from '../protocol/row-key.ts'
import type { TableInfo } from './catalog.ts'
import type { Leaf, Truth } from './where/condition.ts'
import { quoteIdentifier } from './where/expression.ts'

type SqlLeaf = Extract<Leaf, { kind: 'sql' }>

/** What Postgres said of rows of a transaction. */
export interface Verdicts {
  /** @throws when Postgres could not decide the expression for these rows. */
  of(row: RowText, sql: string): Truth
}

/** Rows and the expressions to decide for each. */
export interface EvaluationRequest {
  readonly table: TableInfo
  readonly rows: readonly RowText[]
  readonly leaves: readonly SqlLeaf[]
}

const rowsPerQuery = 2000
const leavesPerQuery = 500

/**
 * Lets Postgres decide expressions for rows that arrived in the stream, all shapes of a table together.
 * An expression that fails fails alone.
 *
 * @example
 * const verdicts = await evaluateRows(pool, [{ table, rows, leaves }])
 */
export async function evaluateRows(
  pool: Pool,
  requests: readonly EvaluationRequest[],
): Promise<Verdicts> {
  const known = new Map<string, Map<RowText, Truth>>()
  const failures = new Map<string, unknown>()

  async function evaluate(request: EvaluationRequest): Promise<void> {
    const { table, rows, leaves } = request
    try {
      const answers = await askPostgres(pool, request)
      for (const [leaf, { sql }] of leaves.entries()) {
        const values = known.get(sql) ?? new Map<RowText, Truth>()
        for (const [row, answer] of answers.entries()) {
          values.set(rows[row] as RowText, truthOf(answer[leaf] ?? null))
        }
        known.set(sql, values)
      }
    } catch (error) {
      if (leaves.length === 1) failures.set((leaves[0] as SqlLeaf).sql, error)
      else for (const leaf of leaves) await evaluate({ table, rows, leaves: [leaf] })
    }
  }

  for (const { table, rows, leaves } of requests) {
    for (const leafPart of slices(leaves, leavesPerQuery)) {
      for (const rowPart of slices(rows, rowsPerQuery)) {
        await evaluate({ table, rows: rowPart, leaves: leafPart })
      }
    }
  }

  return {
    of(row, sql) {
      const value = known.get(sql)?.get(row)
      if (value !== undefined) return value
      throw new Error(`Postgres could not decide "${sql}"`, { cause: failures.get(sql) })
    },
  }
}

async function askPostgres(
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
  const text = `SELECT ${leaves.map((leaf) => leaf.sql).join(', ')}
    FROM json_to_recordset($1::json) AS "$rows"(${['"$row" int', ...types].join(', ')})
    ORDER BY "$row"`
  const result = await pool.query<(string | null)[]>({
    text,
    values: [JSON.stringify(records)],
    rowMode: 'array',
  })
  return result.rows
}

/** Truth as Postgres prints it. */
export function truthOf(text: string | null): Truth {
  return text === null ? null : text === 't'
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
