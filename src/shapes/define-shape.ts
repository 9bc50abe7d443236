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

/** A shape with any parameters and columns, for principals of type `P`. */
export interface AnyShape<P extends Principal = Principal> {
  readonly table: string
  readonly columns: ColumnMap
  readonly key: readonly string[]
  readonly params: z.core.$ZodType<object>
  readonly tenantColumn: string | null
  /** The values of the parameter `audience` that a principal may send, the widest first. */
  readonly audiences?: (principal: P) => readonly string[]
  readonly rows: (principal: P, params: never) => Condition
}

/** A named shape: the rows and columns of one table that a principal may replicate. */
export interface ShapeDefinition<
  P extends Principal = Principal,
  Fields extends ParamFields = ParamFields,
  Columns extends ColumnMap = ColumnMap,
> extends AnyShape<P> {
  readonly columns: Columns
  readonly params: ParamSchema<Fields>
  readonly rows: (principal: P, params: z.output<ParamSchema<Fields>>) => Condition
}

/** Options of `defineShape`. */
export interface ShapeOptions<
  P extends Principal,
  Fields extends ParamFields,
  Columns extends ColumnMap,
> {
  /** The table's name in the database, or `schema.table`. */
  readonly table: string
  /**
   * The columns by the property name a row has in the browser, primary key included. Other columns, and those
   * with `synced: false`, are never sent and can't be queried.
   */
  readonly columns: Columns
  /** A schema per parameter. Other parameters are refused. */
  readonly params?: Fields
  /** Validates the parameters together. Returns the problem, or undefined. */
  readonly checkParams?: (params: z.output<ParamSchema<Fields>>) => string | undefined
  /** The properties that identify a row of the shape in the browser. Default `['id']`. */
  readonly key?: readonly (keyof Columns & string)[]
  /**
   * The database name of the column that holds the tenant. Every shape is confined to the principal's tenant by
   * it. Default `tenant_id`; `null` for a table without tenants.
   */
  readonly tenantColumn?: string | null
  /**
   * Returns the values of the parameter `audience` that a principal may send; others are refused with
   * `forbidden`. Everyone who looks through the same audience then shares one shape, if `rows` depends on
   * nothing else of the principal.
   */
  readonly audiences?: (principal: P) => readonly string[]
  /**
   * Selects rows of the tenant; by default all of them. Authorisation belongs here, because the condition is
   * re-evaluated as the database changes.
   */
  readonly rows?: (principal: P, params: z.output<ParamSchema<Fields>>) => Condition
}

/** Shapes by their name in the URL. */
export type ShapeRegistry<P extends Principal = Principal> = Readonly<Record<string, AnyShape<P>>>

const everyRow: Condition = { kind: 'and', conditions: [] }

/**
 * Declares a shape. The types of its parameters and rows, on the server and in the browser, follow from it.
 * If the app has its own principal type, annotate the principal of `rows`.
 *
 * @throws TypeError if a parameter has a reserved name, or a key isn't a synced column
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
    ...(options.audiences && { audiences: options.audiences }),
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
