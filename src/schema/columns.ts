/** Postgres types this schema uses, spelled as `format_type` prints them. */
export type ColumnType = 'text' | 'integer' | 'bigint' | 'jsonb' | 'timestamp with time zone'

/** When a client may set a column: never, only in an insert, or in inserts and updates. */
export type ColumnWritable = 'never' | 'insert' | 'always'

/** What the database and the sync stream know of one column. */
export interface ColumnDefinition {
  /** Name in the database (snake_case). */
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  /** Default expression as `pg_get_expr` prints it, or null where there is none. */
  readonly default: string | null
  /** Whether browsers replicate it. Unsynced columns are in no shape. */
  readonly synced: boolean
  readonly writable: ColumnWritable
}

/** The columns of one table, keyed by the property name that TypeScript code uses. */
export type ColumnMap<Property extends string = string> = Readonly<
  Record<Property, ColumnDefinition>
>

interface ColumnOptions {
  readonly nullable?: boolean
  readonly default?: string
  readonly synced?: boolean
  readonly writable?: ColumnWritable
}

/** Describes one column; not null, synced and read-only unless told otherwise. */
export function column(
  name: string,
  type: ColumnType,
  options: ColumnOptions = {},
): ColumnDefinition {
  return {
    name,
    type,
    nullable: options.nullable ?? false,
    default: options.default ?? null,
    synced: options.synced ?? true,
    writable: options.writable ?? 'never',
  }
}

/**
 * Lists the database names of the columns a browser may replicate, in definition order.
 *
 * @example
 * syncedColumnNames(sessionColumns).includes('content_ref') // false
 */
export function syncedColumnNames(columns: ColumnMap): string[] {
  return Object.values(columns)
    .filter((definition) => definition.synced)
    .map((definition) => definition.name)
}
