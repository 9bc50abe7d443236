import { type Condition, toWhereClause, type WhereClause } from '../access/condition.ts'
import { withinTenant } from '../access/within-tenant.ts'
import { syncedColumnNames } from '../schema/columns.ts'
import type { Principal } from '../schema/principal.ts'
import { replicatedTables } from '../schema/tables.ts'
import { problemIn, validate } from '../schema/validate.ts'
import type { AnyShape, ShapeRegistry } from './define-shape.ts'

/** The shape that the proxy requests from Electric. */
export interface ResolvedShape extends WhereClause {
  readonly table: string
  readonly columns: readonly string[]
  /** The condition that `where` and `params` express. */
  readonly condition: Condition
}

/** The reason why a shape request was refused. */
export type ShapeRefusal =
  | { readonly reason: 'unknown_shape'; readonly message: string }
  | { readonly reason: 'invalid_params'; readonly message: string }
  | { readonly reason: 'forbidden'; readonly message: string }

/**
 * Resolves a name and parameters to table, columns and where clause, confined to the principal's tenant. The
 * client's texts become parameter values, never SQL.
 *
 * @param schema the schema of the library's tables, for Electric, which has no search_path; by default `public`, its own
 * default
 * @example
 * resolveShape(sessionShapes, 'session-timeline', { sessionId: 's1' }, principal)
 */
export function resolveShape<P extends Principal>(
  registry: ShapeRegistry<P>,
  name: string,
  params: Readonly<Record<string, string>>,
  principal: P,
  schema?: string,
): ResolvedShape | ShapeRefusal {
  const definition = Object.hasOwn(registry, name) ? registry[name] : undefined
  if (definition === undefined) {
    return { reason: 'unknown_shape', message: 'There is no shape of this name.' }
  }
  const parsed = validate(definition.params, params)
  if (!parsed.success) {
    return { reason: 'invalid_params', message: problemIn(parsed.error, 'The query') }
  }
  if (!mayLookThrough(definition, principal, parsed.data)) {
    const message = 'You do not look through this audience. Ask for your audiences again.'
    return { reason: 'forbidden', message }
  }
  const condition = inSchema(rowsOf(definition, principal, parsed.data), schema)
  const columns = syncedColumnNames(definition.columns)
  const table = tableIn(definition.table, schema)
  return { table, columns, condition, ...toWhereClause(condition) }
}

const OWN_TABLES: ReadonlySet<string> = /* @__PURE__ */ new Set(
  /* @__PURE__ */ Object.values(replicatedTables).map(({ name }) => name),
)

/** Qualifies the name of a library's table. The app's own tables stay as the app has written them. */
function tableIn(table: string, schema: string | undefined): string {
  return schema !== undefined && OWN_TABLES.has(table) ? `${schema}.${table}` : table
}

/** Qualifies the tables of subqueries. */
function inSchema(condition: Condition, schema: string | undefined): Condition {
  if (schema === undefined) return condition
  switch (condition.kind) {
    case 'and':
    case 'or':
      return {
        ...condition,
        conditions: condition.conditions.map((each) => inSchema(each, schema)),
      }
    case 'not':
      return { ...condition, condition: inSchema(condition.condition, schema) }
    case 'inSubquery':
      return {
        ...condition,
        table: tableIn(condition.table, schema),
        where: inSchema(condition.where, schema),
      }
    default:
      return condition
  }
}

function mayLookThrough<P extends Principal>(
  { audiences }: AnyShape<P>,
  principal: P,
  params: { readonly audience?: unknown },
): boolean {
  if (audiences === undefined || params.audience === undefined) return true
  return audiences(principal).some((audience) => audience === params.audience)
}

function rowsOf<P extends Principal>(
  { rows, tenantColumn }: AnyShape<P>,
  principal: P,
  params: object,
): Condition {
  // `params` is the output of the definition's own schema, which is what its `rows` takes.
  return withinTenant(rows(principal, params as never), principal.tenantId, tenantColumn)
}

/** Returns true if `resolveShape` refused the request. */
export function isRefusal(resolved: ResolvedShape | ShapeRefusal): resolved is ShapeRefusal {
  return 'reason' in resolved
}
