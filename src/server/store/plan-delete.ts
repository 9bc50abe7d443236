import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import type { DeleteMutation, MutationPlan, PlanContext } from './mutation-plan.ts'

/** Plans a delete. What belongs to the row goes with it, by the foreign keys' cascade. */
export function planDelete<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: DeleteMutation,
  permitted: RawBuilder<boolean>,
): MutationPlan {
  const { table, alias, from, versioned } = collectionSql[mutation.collection]
  const version = versioned ? sql`${alias}.version` : sql`NULL::integer`
  return {
    mutation,
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted, ${version} AS current_version, true AS changes,
        ${alias}.id AS result_id, NULL::integer AS result_version
      FROM ${from}
      WHERE ${alias}.tenant_id = ${principal.tenantId} AND ${alias}.id = ${mutation.id}
        AND (${policy.see(principal)})
      FOR UPDATE OF ${alias}`,
    write: sql`
      DELETE FROM ${table} AS ${alias} USING target, admitted
      WHERE ${alias}.tenant_id = ${principal.tenantId} AND ${alias}.id = ${mutation.id}`,
  }
}
