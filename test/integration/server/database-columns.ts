import type { ClientBase, Pool } from 'pg'

/** A column's definition in the database. */
export interface DatabaseColumn {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly default: string | null
}

/** Reads the columns of a table in the order of their definition. */
export async function readColumns(
  database: Pool | ClientBase,
  table: string,
): Promise<DatabaseColumn[]> {
  const { rows } = await database.query<DatabaseColumn>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
       pg_get_expr(adbin, adrelid) AS default
     FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum`,
    [table],
  )
  return rows
}
