import { type RawBuilder, sql } from 'kysely'
import type { Mutation } from '../../writes/index.ts'
import { commonSlots, type MutationPlan, type MutationSlot } from './mutation-plan.ts'
import { MAY_APPEND } from './plan-append.ts'

/** What became of a mutation. `permitted` is null when the principal sees no such row. */
export interface MutationOutcome {
  readonly permitted: boolean | null
  /** The version that the row is at. */
  readonly current: number | null
}

/** `result` is the batch's result as JSON, null when the batch was not applied now. */
export interface BatchStatementRow extends MutationOutcome {
  readonly result: string | null
}

/** Which statement a mutation needs, its values apart. */
export interface MutationKind {
  readonly collection: Mutation['collection']
  readonly type: Mutation['type']
}

/**
 * A batch of one mutation as one statement: it decides, claims the batch id, stores the result, writes
 * and answers. The claim comes after the decision, so that a refused batch claims nothing; and before
 * the write, which does not happen when the same batch was applied in the meantime.
 */
export function batchStatement(
  { collection, type }: MutationKind,
  plan: MutationPlan,
  slot: MutationSlot,
): RawBuilder<unknown> {
  const { tenantId, userId } = commonSlots(slot)
  const batchId = slot('batch', ({ claim }) => claim.batchId)
  return sql`
    WITH target AS MATERIALIZED (${plan.target}),
    admitted AS (
      INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, txid, result)
      SELECT ${tenantId}::text, ${batchId}::text, ${userId}::text,
        ${slot('hash', ({ claim }) => claim.requestHash)}::text, own.txid,
        jsonb_build_object('batchId', ${batchId}::text, 'txid', own.txid, 'mutations',
          jsonb_build_array(jsonb_build_object(
            'collection', ${sql.lit(collection)}, 'type', ${sql.lit(type)},
            'id', target.result_id, 'version', target.result_version)
          || CASE WHEN target.changes THEN '{}' ELSE '{"unchanged": true}' END::jsonb))
      FROM target, LATERAL (
        SELECT CASE WHEN target.changes THEN ${TXID} END AS txid
      ) own
      WHERE ${isAdmitted(type, slot)}
      ON CONFLICT DO NOTHING
      RETURNING result::text
    )${writes(plan)}
    SELECT target.permitted, target.current_version AS current, admitted.result
    FROM (VALUES (1)) AS one
    LEFT JOIN target ON true
    LEFT JOIN admitted ON true`
}

/** `admitted` says whether the mutation was made, `txid` is null when that changed nothing. */
export interface StepStatementRow extends MutationOutcome {
  readonly admitted: boolean
  readonly txid: string | null
  readonly id: string | null
  readonly version: number | null
}

/** One mutation of a batch of several, inside the batch's transaction. */
export function stepStatement(
  { type }: MutationKind,
  plan: MutationPlan,
  slot: MutationSlot,
): RawBuilder<unknown> {
  return sql`
    WITH target AS MATERIALIZED (${plan.target}),
    admitted AS MATERIALIZED (SELECT FROM target WHERE ${isAdmitted(type, slot)})${writes(plan)}
    SELECT target.permitted, target.current_version AS current,
      EXISTS (SELECT FROM admitted) AS admitted, target.result_id AS id,
      target.result_version AS version,
      CASE WHEN target.changes THEN ${TXID}::text END AS txid
    FROM (VALUES (1)) AS one
    LEFT JOIN target ON true`
}

/** The 32 bits of the transaction id that replication carries. */
export const TXID = sql.raw('pg_current_xact_id()::xid::text::bigint')

function writes({ write, alsoWrite }: MutationPlan): RawBuilder<unknown> {
  const written = sql`, written AS (${write})`
  return alsoWrite === undefined ? written : sql`${written}, also_written AS (${alsoWrite})`
}

function isAdmitted(type: Mutation['type'], slot: MutationSlot): RawBuilder<unknown> {
  if (type === 'insert') return sql`target.permitted`
  const expected = slot('expected', ({ mutation }) => expectedVersion(mutation) ?? null)
  return sql`target.permitted
    AND (${expected}::bigint IS NULL OR target.current_version = ${expected}::bigint)`
}

/** What `target.current_version` must be; undefined for anything. */
function expectedVersion(mutation: Mutation): number | undefined {
  if (mutation.type === 'append') return MAY_APPEND
  return mutation.type === 'insert' ? undefined : mutation.expectedVersion
}
