import * as z from 'zod/mini'
import type { Condition } from '../access/condition.ts'
import { TENANT_COLUMN } from '../access/within-tenant.ts'
import { type ColumnMap, syncedColumnNames } from '../schema/columns.ts'
import type { Principal } from '../schema/principal.ts'
import { parameterNameProblem } from './parameter-names.ts'

/**
 * A schema per parameter, of `zod` or `zod/mini`. The client sends text; the schema may turn it into anything.
 */
export type ParamFields = Readonly<Record<string, z.core.$ZodType<unknown, string | undefined>>>

type ParamSchema<Fields extends ParamFields> = z.ZodMiniObject<Fields, z.core.$strict>

/** A shape of any parameters and columns that a principal of this kind can ask for. */
export interface AnyShape<P extends Principal = Principal> {
  readonly table: string
  readonly columns: ColumnMap
  readonly key: readonly string[]
  readonly params: z.core.$ZodType<object>
  readonly tenantColumn: string | null
  readonly rows: (principal: P, params: never) => Condition
}

/** A named shape: which rows and columns of one table a principal may replicate. */
export interface ShapeDefinition<
  P extends Principal = Principal,
  Fields extends ParamFields = ParamFields,
  Columns extends ColumnMap = ColumnMap,
> extends AnyShape<P> {
  readonly columns: Columns
  readonly params: ParamSchema<Fields>
  readonly rows: (principal: P, params: z.output<ParamSchema<Fields>>) => Condition
}

/** What `defineShape` is told. */
export interface ShapeOptions<
  P extends Principal,
  Fields extends ParamFields,
  Columns extends ColumnMap,
> {
  /** The table's name in the database; with its schema as `schema.table`. */
  readonly table: string
  /**
   * The columns, by the property that a row has in the browser; primary key included. Nothing else,
   * and none with `synced: false`, is sent or can be asked about.
   */
  readonly columns: Columns
  /** Validates each parameter. One that is not named here is refused. */
  readonly params?: Fields
  /** What must hold between the parameters: says what is wrong, or nothing. */
  readonly checkParams?: (params: z.output<ParamSchema<Fields>>) => string | undefined
  /** The properties that tell rows of the shape apart in the browser. Default `['id']`. */
  readonly key?: readonly (keyof Columns & string)[]
  /**
   * The database name of the column that says whose a row is; `tenant_id` by default. Every shape is
   * confined to the principal's tenant by it. `null` for a table that belongs to no tenant.
   */
  readonly tenantColumn?: string | null
  /**
   * Which rows of the tenant; all of them when left out. Authorisation belongs here: it is
   * re-evaluated as the database changes.
   */
  readonly rows?: (principal: P, params: z.output<ParamSchema<Fields>>) => Condition
}

/** Shapes by the name clients use in the URL. */
export type ShapeRegistry<P extends Principal = Principal> = Readonly<Record<string, AnyShape<P>>>

const everyRow: Condition = { kind: 'and', conditions: [] }

/**
 * Declares a shape. Types of parameters and rows follow from it, on the server and in the browser.
 * Annotate the principal where the app has one of its own.
 *
 * @throws TypeError for a parameter that Electric or the server gives, or a key that is no synced column
 * @example
 * const notes = defineShape({
 *   table: 'notes',
 *   columns: {
 *     tenantId: column('tenant_id', 'text'),
 *     id: column('id', 'text'),
 *     body: column('body', 'text'),
 *   },
 *   params: { bookId: z.string() },
 *   rows: (principal: AppPrincipal, { bookId }) =>
 *     where.and(where.eq('book_id', bookId), where.inArray('team_id', principal.teams)),
 * })
 */
export function defineShape<
  const Columns extends ColumnMap,
  P extends Principal = Principal,
  Fields extends ParamFields = Record<never, never>,
>(options: ShapeOptions<P, Fields, Columns>): ShapeDefinition<P, Fields, Columns> {
  const { table, columns, key = ['id'], tenantColumn = TENANT_COLUMN } = options
  const fields = options.params ?? ({} as Fields)
  for (const name of Object.keys(fields)) {
    const problem = parameterNameProblem(name)
    if (problem !== undefined) fail(table, `parameter '${name}' ${problem}; choose another name`)
  }
  if (syncedColumnNames(columns).length === 0) fail(table, 'has no synced column')
  for (const property of key) {
    if (Object.hasOwn(columns, property) && columns[property as keyof Columns]?.synced) continue
    fail(table, `has no synced column '${property}'; name what tells its rows apart as \`key\``)
  }
  return {
    table,
    columns,
    key,
    tenantColumn,
    params: paramSchema(fields, options.checkParams),
    rows: options.rows ?? (() => everyRow),
  }
}

function paramSchema<Fields extends ParamFields>(
  fields: Fields,
  check: ShapeOptions<Principal, Fields, ColumnMap>['checkParams'],
): ParamSchema<Fields> {
  const schema = z.strictObject(fields)
  if (check === undefined) return schema
  return schema.check(
    z.superRefine((params, context) => {
      const message = check(params)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    }),
  )
}

function fail(table: string, problem: string): never {
  throw new TypeError(`The shape of table '${table}': ${problem}.`)
}
