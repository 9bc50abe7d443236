/** A row as the wire has it: the text of each column, or null. */
export type RowText = Readonly<Record<string, string | null>>

/** Schema and name of a table. */
export type Relation = readonly [schema: string, table: string]

/**
 * The key of a row: `"schema"."table"/"value"/…`, with `/` in values doubled and `_` for null.
 *
 * @param keyColumns - the primary key, or every column of a table without one.
 * @example
 * rowKey(['public', 'items'], ['id'], { id: 'a/b' }) // '"public"."items"/"a//b"'
 */
export function rowKey(relation: Relation, keyColumns: readonly string[], row: RowText): string {
  const [schema, table] = relation
  let key = `"${schema}"."${table}"`
  for (const column of keyColumns) key += `/${keyPart(row[column] ?? null)}`
  return key
}

function keyPart(value: string | null): string {
  return value === null ? '_' : `"${value.replaceAll('/', '//')}"`
}
