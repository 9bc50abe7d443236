import { isDeepStrictEqual } from 'node:util'
import type { Pool } from 'pg'
import type { Relation } from '../protocol/messages.ts'
import { sqlState } from './connection.ts'
import { quoteIdentifier } from './identifiers.ts'

/** A column of a table. */
export interface ColumnInfo {
  readonly name: string
  /** The type by its name in where clauses: `int4`, `text[]`, `enum mood`. */
  readonly type: string
  readonly typeOid: number
  /** The type as SQL, with modifiers and schema. */
  readonly typeSql: string
  /** True for generated columns that are not replicated. */
  readonly generated: boolean
  readonly notNull: boolean
  /** Position in the primary key. */
  readonly pkIndex: number | undefined
  /** Its entry in the `electric-schema` header. */
  readonly schemaEntry: Readonly<Record<string, unknown>>
}

/** A table that shapes can be defined on. */
export interface TableInfo {
  readonly oid: number
  readonly relation: Relation
  /** Quoted, with schema. */
  readonly sqlName: string
  /** In table order. */
  readonly columns: readonly ColumnInfo[]
  /** Primary key columns in key order; all columns where there is no key. */
  readonly keyColumns: readonly string[]
}

/** The tables of the database, cached. */
export interface Catalog {
  /** Returns the table of a name; undefined if there is none. */
  find(relation: Relation): Promise<TableInfo | undefined>
  forget(relation: Relation): void
  /** Forgets a table if it has changed. Otherwise the cached object stays, and shapes built on it too. */
  refresh(relation: Relation): Promise<void>
  clear(): void
  /** The partitioned tables above a partition, nearest first. */
  ancestors(oid: number): Promise<readonly number[]>
  /** Evaluates SQL expressions; returns false if Postgres fails on their values, as on `1 / 0`. */
  canEvaluate(expressions: readonly string[]): Promise<boolean>
}

const TABLE_SQL = `
  SELECT c.oid, a.attname AS name, a.atttypid AS type_oid, a.atttypmod AS typmod,
    a.attnotnull AS not_null, a.attndims AS dims,
    a.attgenerated <> '' AND (a.attgenerated = 'v' OR NOT coalesce($3, current_setting('server_version_num')::int >= 180000)) AS generated,
    format_type(a.atttypid, a.atttypmod) AS type_sql, t.typname AS type_name, t.typtype AS type_kind,
    e.typname AS element_name, e.typtype AS element_kind, b.typname AS base_name,
    array_position(i.indkey::int2[], a.attnum) AS pk_position
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
  LEFT JOIN pg_type b ON b.oid = t.typbasetype AND b.typcategory <> 'A'
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
  ORDER BY a.attnum`

interface ColumnRow {
  oid: string
  name: string
  type_oid: string
  typmod: string
  not_null: string
  dims: string
  generated: string
  type_sql: string
  type_name: string
  type_kind: string
  element_name: string | null
  element_kind: string | null
  /** Of a domain. */
  base_name: string | null
  pk_position: string | null
}

/**
 * Creates a catalog that queries Postgres once per table.
 *
 * @param replicatesGenerated whether stored generated columns are replicated; default: since Postgres 18
 */
export function createCatalog(pool: Pool, replicatesGenerated?: boolean): Catalog {
  const tables = new Map<string, Promise<TableInfo | undefined>>()
  const parents = new Map<number, Promise<readonly number[]>>()
  const keyOf = (relation: Relation) => JSON.stringify(relation)

  async function load(relation: Relation): Promise<TableInfo | undefined> {
    const { rows } = await pool.query<ColumnRow>(TABLE_SQL, [...relation, replicatesGenerated])
    return rows.length === 0 ? undefined : tableInfo(relation, rows)
  }

  return {
    find(relation) {
      const key = keyOf(relation)
      const known = tables.get(key)
      if (known) return known
      const loading = load(relation)
      tables.set(key, loading)
      // Only existing tables are cached: one created later must be found immediately.
      const forgetMissing = (table?: TableInfo) => table ?? tables.delete(key)
      loading.then(forgetMissing, () => tables.delete(key))
      return loading
    },
    forget(relation) {
      tables.delete(keyOf(relation))
    },
    async refresh(relation) {
      const known = tables.get(keyOf(relation))
      const [before, now] = await Promise.all([known, load(relation)])
      if (!isDeepStrictEqual(before, now)) tables.delete(keyOf(relation))
    },
    clear() {
      tables.clear()
      parents.clear()
    },
    ancestors(oid) {
      const known = parents.get(oid)
      if (known) return known
      const sql = 'SELECT relid::oid::text AS oid FROM pg_partition_ancestors($1) WHERE relid <> $1'
      const loading = pool
        .query<{ oid: string }>(sql, [oid])
        .then(({ rows }) => rows.map((row) => Number(row.oid)))
      parents.set(oid, loading)
      loading.catch(() => parents.delete(oid))
      return loading
    },
    async canEvaluate(expressions) {
      try {
        await pool.query(`SELECT ${expressions.join(', ')}`)
        return true
      } catch (error) {
        if (sqlState(error)?.startsWith(DATA_EXCEPTION)) return false
        throw error
      }
    },
  }
}

/** The SQLSTATE class of errors in values. */
const DATA_EXCEPTION = '22'

/** Returns the present oid of each table name; undefined for missing tables. */
export async function currentOids(
  client: Pick<Pool, 'query'>,
  relations: readonly Relation[],
): Promise<(number | undefined)[]> {
  const { rows } = await client.query<{ oid: string | null }>(
    `SELECT (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = r.value->>0 AND c.relname = r.value->>1) AS oid
     FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r(value, place) ORDER BY place`,
    [JSON.stringify(relations)],
  )
  return rows.map((row) => (row.oid === null ? undefined : Number(row.oid)))
}

function tableInfo(relation: Relation, rows: readonly ColumnRow[]): TableInfo {
  const columns = rows.map(columnInfo)
  const key = columns
    .filter((column) => column.pkIndex !== undefined)
    .sort((a, b) => Number(a.pkIndex) - Number(b.pkIndex))
  return {
    oid: Number(rows[0]?.oid),
    relation,
    sqlName: relation.map(quoteIdentifier).join('.'),
    columns,
    keyColumns: (key.length > 0 ? key : columns).map((column) => column.name),
  }
}

function columnInfo(row: ColumnRow): ColumnInfo {
  const named = (name: string, kind: string) => (kind === 'e' ? `enum ${name}` : name)
  const type =
    row.element_name === null
      ? named(row.base_name ?? row.type_name, row.type_kind)
      : `${named(row.element_name, row.element_kind ?? 'b')}[]`
  const pkIndex = row.pk_position === null ? undefined : Number(row.pk_position)
  return {
    name: row.name,
    type,
    typeOid: Number(row.type_oid),
    typeSql: row.type_sql,
    generated: row.generated === 't',
    notNull: row.not_null === 't',
    pkIndex,
    schemaEntry: {
      type: row.element_name ?? row.type_name,
      ...(Number(row.dims) > 0 ? { dims: Number(row.dims) } : {}),
      ...modifiers(row.element_name ?? row.type_name, Number(row.typmod)),
      ...(row.not_null === 't' ? { not_null: true } : {}),
      ...(pkIndex === undefined ? {} : { pk_index: pkIndex }),
    },
  }
}

/** Decodes a type modifier into entries of the `electric-schema` header. */
function modifiers(type: string, typmod: number): Record<string, unknown> {
  if (typmod < 0) return {}
  if (type === 'numeric') {
    return { precision: ((typmod - 4) >> 16) & 0xffff, scale: (typmod - 4) & 0x7ff }
  }
  if (type === 'varchar') return { max_length: typmod - 4 }
  if (type === 'bpchar') return { length: typmod - 4 }
  if (type === 'bit' || type === 'varbit') return { length: typmod }
  if (['time', 'timetz', 'timestamp', 'timestamptz'].includes(type)) return { precision: typmod }
  return {}
}
