import { type RawBuilder, sql } from 'kysely'
import type { Principal } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import { type ColumnValues, updateValues } from './column-values.ts'
import type { MutationPlan, PlanContext, UpdateMutation } from './mutation-plan.ts'

/**
 * Plans an update. Rows with a version always change, because the version does; a timeline event,
 * which has none, is written only when a value differs.
 */
export function planUpdate<User extends Principal>(
  { principal, policy }: PlanContext<User>,
  mutation: UpdateMutation,
  permitted: RawBuilder<boolean>,
): MutationPlan {
  const { table, alias, from, columns, versioned } = collectionSql[mutation.collection]
  const given = updateValues(columns, mutation.changes)
  const version = versioned ? sql`${alias}.version` : sql`NULL::integer`
  const changes = versioned ? sql`true` : differs(alias, given)
  return {
    mutation,
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted, ${version} AS current_version,
        ${changes} AS changes, ${alias}.id AS result_id, ${version} + 1 AS result_version
      FROM ${from}
      WHERE ${alias}.tenant_id = ${principal.tenantId} AND ${alias}.id = ${mutation.id}
        AND (${policy.see(principal)})
      FOR NO KEY UPDATE OF ${alias}`,
    write: sql`
      UPDATE ${table} AS ${alias} SET ${assignments(alias, given, versioned)}
      FROM target, admitted
      WHERE ${alias}.tenant_id = ${principal.tenantId} AND ${alias}.id = ${mutation.id}
        AND target.changes`,
  }
}

function differs(alias: RawBuilder<unknown>, { names, values }: ColumnValues): RawBuilder<unknown> {
  if (names.length === 0) return sql`false`
  const current = names.map((name) => sql`${alias}.${name}`)
  return sql`ROW(${sql.join(current)}) IS DISTINCT FROM ROW(${sql.join(values)})`
}

// An event that somebody changed is theirs from then on: no parser replaces it.
function assignments(
  alias: RawBuilder<unknown>,
  { names, values }: ColumnValues,
  versioned: boolean,
): RawBuilder<unknown> {
  const always = versioned
    ? sql`version = ${alias}.version + 1, updated_at = now()`
    : sql`derived_by = NULL`
  return sql.join([always, ...names.map((name, index) => sql`${name} = ${values[index]}`)])
}
