import type { JsonValue } from './fields.ts'

/** What a value of each Postgres type is in a browser. Types are spelled as `format_type` prints them. */
interface ColumnValues {
  text: string
  uuid: string
  boolean: boolean
  smallint: number
  integer: number
  bigint: number
  real: number
  'double precision': number
  /** As Postgres prints it: a JavaScript number would lose digits. */
  numeric: string
  date: string
  jsonb: JsonValue
  'timestamp with time zone': Date
}

/** Postgres types that columns may have, spelled as `format_type` prints them. */
export type ColumnType = keyof ColumnValues

/** When a client may set a column: never, only in an insert, or in inserts and updates. */
export type ColumnWritable = 'never' | 'insert' | 'always'

/** What the database and the sync stream know of one column. */
export interface ColumnDefinition<
  Type extends ColumnType = ColumnType,
  Nullable extends boolean = boolean,
  Synced extends boolean = boolean,
> {
  /** Name in the database (snake_case). */
  readonly name: string
  readonly type: Type
  readonly nullable: Nullable
  /** Default expression as `pg_get_expr` prints it, or null where there is none. */
  readonly default: string | null
  /** Whether browsers replicate it. Unsynced columns are in no shape. */
  readonly synced: Synced
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

type Given<Options extends ColumnOptions, Name extends keyof ColumnOptions, Default> =
  Options extends Readonly<Record<Name, infer Value>> ? Value : Default

/**
 * Describes one column; not null, synced and read-only unless told otherwise.
 *
 * @example
 * column('due_at', 'timestamp with time zone', { nullable: true })
 */
export function column<Type extends ColumnType, const Options extends ColumnOptions = object>(
  name: string,
  type: Type,
  options?: Options,
): ColumnDefinition<
  Type,
  Given<Options, 'nullable', false> & boolean,
  Given<Options, 'synced', true> & boolean
>
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

/** The row that a browser holds of these columns: those that are synced. */
export type RowOf<Columns extends ColumnMap> = {
  -readonly [Property in keyof Columns as Columns[Property]['synced'] extends false
    ? never
    : Property]:
    | ColumnValues[Columns[Property]['type']]
    | (Columns[Property]['nullable'] extends false ? never : null)
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
