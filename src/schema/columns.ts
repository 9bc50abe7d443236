import type { JsonValue } from './fields.ts'

/** The JavaScript type of each Postgres type in the browser. Types are spelled as `format_type` prints them. */
interface ColumnValues {
  text: string
  'text[]': readonly string[]
  uuid: string
  boolean: boolean
  smallint: number
  integer: number
  bigint: number
  real: number
  'double precision': number
  /** Text, because a JavaScript number would lose digits. */
  numeric: string
  date: string
  jsonb: JsonValue
  'timestamp with time zone': Date
}

/** A Postgres type, spelled as `format_type` prints it. */
export type ColumnType = keyof ColumnValues

/** When a client may set a column: never, only in an insert, only in an update, or in both. */
export type ColumnWritable = 'never' | 'insert' | 'update' | 'always'

/** Returns whether an insert may set the column. */
export function isInsertable({ writable }: Pick<ColumnDefinition, 'writable'>): boolean {
  return writable === 'insert' || writable === 'always'
}

/** A column in the database and in the sync stream. */
export interface ColumnDefinition<
  Type extends ColumnType = ColumnType,
  Nullable extends boolean = boolean,
  Synced extends boolean = boolean,
> {
  /** Name in the database (snake_case). */
  readonly name: string
  readonly type: Type
  readonly nullable: Nullable
  /** The default expression as `pg_get_expr` prints it, or null. */
  readonly default: string | null
  /** False for columns that never leave the server. */
  readonly synced: Synced
  readonly writable: ColumnWritable
}

/** The columns of a table by property name. */
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
 * Describes a column. By default it is NOT NULL, synced and read-only for clients.
 *
 * @param name the name in the database
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

/** The browser's row type for these columns; unsynced columns are left out. */
export type RowOf<Columns extends ColumnMap> = {
  -readonly [Property in keyof Columns as Columns[Property]['synced'] extends false
    ? never
    : Property]:
    | ColumnValues[Columns[Property]['type']]
    | (Columns[Property]['nullable'] extends false ? never : null)
}

/**
 * Lists the database names of the synced columns, in definition order.
 *
 * @example
 * syncedColumnNames(sessionColumns).includes('content_ref') // false
 */
export function syncedColumnNames(columns: ColumnMap): string[] {
  return Object.values(columns)
    .filter((definition) => definition.synced)
    .map((definition) => definition.name)
}
