import { type Condition, toWhereClause, type WhereClause } from '../access/condition.ts'
import { withinTenant } from '../access/within-tenant.ts'
import { syncedColumnNames } from '../schema/columns.ts'
import type { Principal } from '../schema/principal.ts'
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
 * @example
 * resolveShape(sessionShapes, 'session-timeline', { sessionId: 's1' }, principal)
 */
export function resolveShape<P extends Principal>(
  registry: ShapeRegistry<P>,
  name: string,
  params: Readonly<Record<string, string>>,
  principal: P,
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
  const condition = rowsOf(definition, principal, parsed.data)
  const columns = syncedColumnNames(definition.columns)
  return { table: definition.table, columns, condition, ...toWhereClause(condition) }
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
