import { hash } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import { SessionDbError } from '../../errors.ts'
import type { Mutation, WriteResult } from '../../writes/index.ts'
import type { BatchClaim } from './statements.ts'

/** A fingerprint of what a batch asks for. `json` is that of its validated mutations. */
export function requestHash(json: string): string {
  return hash('sha256', json, 'hex')
}

/** The mutations as text: validation has put known properties into the order of the schema. */
export function mutationsJson(mutations: readonly Mutation[]): string {
  return JSON.stringify(mutations)
}

/** A batch as it was applied the first time. */
export interface AppliedBatchRow {
  readonly userId: string
  readonly requestHash: string
  readonly result: string
}

export function findAppliedBatch({ principal, batchId }: BatchClaim): RawBuilder<AppliedBatchRow> {
  return sql`
    SELECT user_id AS "userId", request_hash AS "requestHash", result::text AS result
    FROM applied_batches
    WHERE tenant_id = ${principal.tenantId} AND batch_id = ${batchId}`
}

/** Claims a batch id for this transaction, after any other that holds it; no row when it is taken. */
export function claimBatch(claim: BatchClaim): RawBuilder<{ claimed: boolean }> {
  return sql`
    INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, result)
    VALUES (${claim.principal.tenantId}, ${claim.batchId}, ${claim.principal.userId},
      ${claim.requestHash}, '{}')
    ON CONFLICT DO NOTHING
    RETURNING true AS claimed`
}

/** Stores the result of a claimed batch. */
export function storeResult(
  { principal, batchId }: BatchClaim,
  result: WriteResult,
): RawBuilder<unknown> {
  return sql`
    UPDATE applied_batches
    SET txid = ${result.txid}::bigint, result = ${JSON.stringify(result)}::jsonb
    WHERE tenant_id = ${principal.tenantId} AND batch_id = ${batchId}`
}

/**
 * The first answer to a batch, for the user who sent it and only for the same content.
 *
 * @throws SessionDbError `conflict`, the same whether the user or the content differs.
 */
export function answerAgain(claim: BatchClaim, earlier: AppliedBatchRow): WriteResult {
  if (earlier.userId !== claim.principal.userId || earlier.requestHash !== claim.requestHash) {
    throw new SessionDbError(
      'conflict',
      'This batch id has been used for another batch. Give every batch an id of its own.',
    )
  }
  return JSON.parse(earlier.result) as WriteResult
}
