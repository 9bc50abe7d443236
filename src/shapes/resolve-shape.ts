import type { Principal } from '../schema/principal.ts'
import { toWhereClause, type WhereClause } from './condition.ts'
import type { ShapeRegistry } from './define-shape.ts'

/** A shape as Electric is asked for it. */
export interface ResolvedShape extends WhereClause {
  readonly table: string
  readonly columns: readonly string[]
}

/** Why a shape request was refused. */
export type ShapeRefusal =
  | { readonly reason: 'unknown_shape'; readonly message: string }
  | { readonly reason: 'invalid_params'; readonly message: string }

/**
 * Turns (name, parameters, principal) into table, columns and where clause.
 * The client's texts only ever become parameter values.
 *
 * @example
 * resolveShape(sessionShapes, 'session-timeline', { sessionId: 's1' }, principal)
 */
export function resolveShape(
  registry: ShapeRegistry,
  name: string,
  params: Readonly<Record<string, string>>,
  principal: Principal,
): ResolvedShape | ShapeRefusal {
  const definition = Object.hasOwn(registry, name) ? registry[name] : undefined
  if (definition === undefined) {
    return { reason: 'unknown_shape', message: 'There is no shape of this name.' }
  }
  const parsed = definition.params.safeParse(params)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const where = issue?.path.join('.') || 'The query'
    return { reason: 'invalid_params', message: `${where}: ${issue?.message ?? 'is not valid'}` }
  }
  const clause = toWhereClause(definition.rows(principal, parsed.data))
  return { table: definition.table, columns: definition.columns, ...clause }
}

/** Whether `resolveShape` refused. */
export function isRefusal(resolved: ResolvedShape | ShapeRefusal): resolved is ShapeRefusal {
  return 'reason' in resolved
}
