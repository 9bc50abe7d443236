import type { ClientBase } from 'pg'

/**
 * COPY options for lines that each are one JSON text: quote and delimiter are characters that JSON
 * always escapes, so nothing is quoted and nothing escaped once more.
 */
export const LINE_FORMAT = `(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING 'UTF8')`

/** The columns of a table, as an export needs to know them. */
export interface TableColumns {
  /** Those that can be written, tenant_id left out. */
  readonly stored: readonly string[]
  readonly generated: readonly string[]
  readonly text: ReadonlySet<string>
}

export async function tableColumns(client: ClientBase, table: string): Promise<TableColumns> {
  const { rows } = await client.query<{ name: string; type: string; generated: boolean }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type, attgenerated <> '' AS generated
     FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum`,
    [table],
  )
  const names = (generated: boolean) =>
    rows.filter((row) => row.generated === generated).map(({ name }) => name)
  return {
    stored: names(false).filter((name) => name !== 'tenant_id'),
    generated: names(true),
    text: new Set(rows.filter(({ type }) => type === 'text').map(({ name }) => name)),
  }
}
