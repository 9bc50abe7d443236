import { type RawBuilder, sql } from 'kysely'
import type { CollectionName } from '../../schema/index.ts'
import { collectionSql } from './collection-sql.ts'
import { type ColumnValues, updateValues } from './column-values.ts'
import { commonSlots, type MutationPlan, type PlanContext } from './mutation-plan.ts'

/**
 * Plans an update of these properties. Rows with a version always change, because the version does;
 * a timeline event, which has none, is written only when a value differs.
 */
export function planUpdate(
  { slot, see, permitted }: PlanContext,
  collection: CollectionName,
  properties: readonly string[],
): MutationPlan {
  const { table, alias, from, columns, versioned } = collectionSql[collection]
  const { tenantId, rowId } = commonSlots(slot)
  const given = updateValues(columns, properties, slot)
  const version = versioned ? sql`${alias}.version` : sql`NULL::integer`
  const changes = versioned ? sql`true` : differs(alias, given)
  return {
    target: sql`
      SELECT (${permitted}) IS TRUE AS permitted, ${version} AS current_version,
        ${changes} AS changes, ${alias}.id AS result_id, ${version} + 1 AS result_version
      FROM ${from}
      WHERE ${alias}.tenant_id = ${tenantId}::text AND ${alias}.id = ${rowId}::text AND (${see})
      FOR NO KEY UPDATE OF ${alias}`,
    write: sql`
      UPDATE ${table} AS ${alias} SET ${assignments(alias, given, versioned)}
      FROM target, admitted
      WHERE ${alias}.tenant_id = ${tenantId}::text AND ${alias}.id = ${rowId}::text
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
