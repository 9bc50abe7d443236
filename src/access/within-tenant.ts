import type { Condition } from './condition.ts'
import * as where from './where.ts'

/** The column that holds a row's tenant, unless a shape names another. */
export const TENANT_COLUMN = 'tenant_id'

/**
 * Confines a condition and all of its subqueries to one tenant, whatever its author wrote or forgot. The
 * tenant comes first: Electric indexes shapes by `tenant_id = const`.
 *
 * @param tenantColumn null for a table without tenants; its subqueries are confined all the same
 * @example
 * withinTenant(where.eq('id', 'p1'), 'acme', 'tenant_id') // tenant_id = 'acme' AND id = 'p1'
 */
export function withinTenant(
  condition: Condition,
  tenantId: string,
  tenantColumn: string | null,
): Condition {
  const confined = confineSubqueries(condition, tenantId)
  if (tenantColumn === null) return confined
  const isTenant = (part: Condition) =>
    part.kind === 'eq' && part.column === tenantColumn && part.value === tenantId
  const parts = confined.kind === 'and' ? confined.conditions : [confined]
  return where.and(where.eq(tenantColumn, tenantId), ...parts.filter((part) => !isTenant(part)))
}

function confineSubqueries(condition: Condition, tenantId: string): Condition {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const conditions = condition.conditions.map((part) => confineSubqueries(part, tenantId))
      return { ...condition, conditions }
    }
    case 'not':
      return { ...condition, condition: confineSubqueries(condition.condition, tenantId) }
    case 'inSubquery': {
      const { tenantColumn = TENANT_COLUMN } = condition
      return { ...condition, where: withinTenant(condition.where, tenantId, tenantColumn) }
    }
    default:
      return condition
  }
}
