import { sql } from 'kysely'
import type { CollectionName } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import { commonSlots, type MutationPlan, type PlanContext } from './mutation-plan.ts'

/** Plans a delete. What belongs to the row goes with it, by the foreign keys' cascade. */
export function planDelete(
  { slot, see, permitted }: PlanContext,
  collection: CollectionName,
): MutationPlan {
  const { table, alias, from, versioned } = collectionSql[collection]
  const { tenantId, rowId } = commonSlots(slot)
  const version = versioned ? sql`${alias}.version` : sql`NULL::integer`
  return {
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted, ${version} AS current_version, true AS changes,
        ${alias}.id AS result_id, NULL::integer AS result_version
      FROM ${from}
      WHERE ${alias}.tenant_id = ${tenantId}::text AND ${alias}.id = ${rowId}::text AND (${see})
      FOR UPDATE OF ${alias}`,
    write: sql`
      DELETE FROM ${table} AS ${alias} USING target, admitted
      WHERE ${alias}.tenant_id = ${tenantId}::text AND ${alias}.id = ${rowId}::text`,
  }
}
