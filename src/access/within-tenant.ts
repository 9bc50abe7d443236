import { and, type Condition, equals } from './condition.ts'

/** The column that says whose a row is, unless a shape says otherwise. */
export const TENANT_COLUMN = 'tenant_id'

/**
 * Confines a condition, and all that it looks into, to one tenant, whatever its author wrote or forgot.
 * The tenant comes first: `tenant_id = const` is what Electric finds shapes by.
 *
 * @param tenantColumn null for a table that belongs to no tenant; its subqueries are confined all the same.
 * @example
 * withinTenant(equals('id', 'p1'), 'acme', 'tenant_id') // tenant_id = 'acme' AND id = 'p1'
 */
export function withinTenant(
  condition: Condition,
  tenantId: string,
  tenantColumn: string | null,
): Condition {
  const confined = confineSubqueries(condition, tenantId)
  if (tenantColumn === null) return confined
  const isTenant = (part: Condition) =>
    part.kind === 'equals' && part.column === tenantColumn && part.value === tenantId
  const parts = confined.kind === 'and' ? confined.conditions : [confined]
  return and(equals(tenantColumn, tenantId), ...parts.filter((part) => !isTenant(part)))
}

function confineSubqueries(condition: Condition, tenantId: string): Condition {
  switch (condition.kind) {
    case 'equals':
    case 'range':
      return condition
    case 'in': {
      const { tenantColumn = TENANT_COLUMN, where } = condition
      return { ...condition, where: withinTenant(where, tenantId, tenantColumn) }
    }
    default: {
      const conditions = condition.conditions.map((part) => confineSubqueries(part, tenantId))
      return { ...condition, conditions }
    }
  }
}
