import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { SessionDbError } from '../../errors.ts'
import type { Principal } from '../../schema/index.ts'
import type { Mutation, WriteResult } from '../../writes/index.ts'
import type { BatchRun } from './batch-run.ts'
import type { BatchClaim } from './mutation-plan.ts'
import { createTemplate, type Slot } from './template.ts'

/** A fingerprint of what a batch asks for. `json` is that of its validated mutations. */
export function requestHash(json: string): string {
  return hash('sha256', json, 'hex')
}

/** The mutations as text: validation has put known properties into the order of the schema. */
export function mutationsJson(mutations: readonly Mutation[]): string {
  return JSON.stringify(mutations)
}

/** A batch as it was applied the first time. */
interface AppliedBatchRow {
  readonly sender: string
  readonly hash: string
  /** Null when the batch changed nothing. */
  readonly txid: string | null
  /** JSON, whose own txid, if it has one, is that of `txid`. */
  readonly result: string
}

interface ClaimInput {
  readonly claim: BatchClaim
}

const tenantOf = (slot: Slot<ClaimInput>) => slot('tenant', ({ claim }) => claim.principal.tenantId)
const batchOf = (slot: Slot<ClaimInput>) => slot('batch', ({ claim }) => claim.batchId)

const findAppliedBatch = createTemplate<ClaimInput>(
  (slot) => sql`
    SELECT user_id AS sender, request_hash AS hash, txid::text AS txid, result::text AS result
    FROM applied_batches
    WHERE tenant_id = ${tenantOf(slot)}::text AND batch_id = ${batchOf(slot)}::text`,
)

/** Claims a batch id for this transaction, after any other that holds it; no row when it is taken. */
export const claimBatch = createTemplate<ClaimInput>(
  (slot) => sql`
    INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, result)
    VALUES (${tenantOf(slot)}::text, ${batchOf(slot)}::text,
      ${slot('user', ({ claim }) => claim.principal.userId)}::text,
      ${slot('hash', ({ claim }) => claim.requestHash)}::text, '{}')
    ON CONFLICT DO NOTHING
    RETURNING true AS claimed`,
)

/** Stores the result of a claimed batch. */
export const storeResult = createTemplate<ClaimInput & { readonly result: WriteResult }>(
  (slot) => sql`
    UPDATE applied_batches
    SET txid = ${slot('txid', ({ result }) => result.txid)}::bigint,
      result = ${slot('result', ({ result }) => JSON.stringify(result))}::text::jsonb
    WHERE tenant_id = ${slot('tenant', ({ claim }) => claim.principal.tenantId)}::text
      AND batch_id = ${slot('batch', ({ claim }) => claim.batchId)}::text`,
)

/**
 * The first answer to a batch, for the user who sent it and only for the same content.
 *
 * @throws SessionDbError `conflict`, the same whether the user or the content differs.
 */
function answerAgain(claim: BatchClaim, earlier: AppliedBatchRow): WriteResult {
  if (earlier.sender !== claim.principal.userId || earlier.hash !== claim.requestHash) {
    throw new SessionDbError(
      'conflict',
      'This batch id has been used for another batch. Give every batch an id of its own.',
    )
  }
  const { batchId, mutations } = JSON.parse(earlier.result) as WriteResult
  return { batchId, txid: earlier.txid === null ? null : Number(earlier.txid), mutations }
}

/** The answer this batch got before, if it was applied before. */
export async function earlierAnswer<User extends Principal>({
  driver,
  claim,
}: BatchRun<User>): Promise<WriteResult | undefined> {
  const [earlier] = (await driver.run(findAppliedBatch.bind({ claim }))) as AppliedBatchRow[]
  return earlier === undefined ? undefined : answerAgain(claim, earlier)
}
