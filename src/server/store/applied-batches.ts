import { hash } from 'node:crypto'
import type { ChatMessage, Principal } from '../../schema/index.ts'
import type { Mutation, WriteResult } from '../../writes/index.ts'
import type { Driver } from './drivers.ts'
import { reusedBatchIdError } from './errors.ts'
import {
  bindStatement,
  buildStatement,
  type Parameter,
  type Query,
  type Values,
} from './prepared-statements.ts'

/** A validated batch of one principal, stored in `applied_batches` under the user and its id. */
export interface Batch<P extends Principal> {
  readonly principal: P
  readonly id: string
  /** A fingerprint of the mutations. */
  readonly hash: string
  readonly mutations: readonly Mutation[]
  /** The roles of messages that the batch may insert, change and append to. Default: all. */
  readonly messageRoles?: readonly ChatMessage['role'][] | undefined
}

/** Hashes a batch's mutations as JSON. Validation has put their properties into one order. */
export function hashOf(mutationsJson: string): string {
  return hash('sha256', mutationsJson, 'hex')
}

/** Returns the parameters that identify a batch. */
export function batchValues({ principal, id, hash }: Batch<Principal>): Values {
  return { tenant: principal.tenantId, user: principal.userId, batch: id, hash }
}

const CLAIM = buildStatement(
  (parameter) => `
    INSERT INTO applied_batches (tenant_id, batch_id, user_id, request_hash, result)
    VALUES (${parameter('tenant')}::text, ${parameter('batch')}::text, ${parameter('user')}::text,
      ${parameter('hash')}::text, '{}')
    ON CONFLICT DO NOTHING
    RETURNING true AS claimed`,
)

/**
 * Claims the batch id for this transaction, and waits for another transaction that holds it. Returns
 * no row when the id is taken.
 */
export function claimBatch(batch: Batch<Principal>): Query {
  return bindStatement(CLAIM, batchValues(batch))
}

const STORE_RESULT = buildStatement(
  (parameter) => `
    UPDATE applied_batches
    SET txid = ${parameter('txid')}::bigint, result = ${parameter('result')}::text::jsonb
    WHERE ${isOwnBatch(parameter)}`,
)

/** Stores the result of a claimed batch. */
export function storeResult(batch: Batch<Principal>, result: WriteResult): Query {
  const { txid } = result
  const values = { ...batchValues(batch), txid, result: JSON.stringify(result) }
  return bindStatement(STORE_RESULT, values)
}

const FIND = buildStatement(
  (parameter) => `
    SELECT request_hash AS hash, txid::text AS txid, result::text AS result
    FROM applied_batches
    WHERE ${isOwnBatch(parameter)}`,
)

function isOwnBatch(parameter: Parameter): string {
  return `tenant_id = ${parameter('tenant')}::text AND user_id = ${parameter('user')}::text
      AND batch_id = ${parameter('batch')}::text`
}

interface AppliedBatchRow {
  readonly hash: string
  /** Null when the batch changed nothing. */
  readonly txid: string | null
  readonly result: string
}

/**
 * Returns the stored result of a batch that was applied before; undefined when there is none.
 *
 * @throws SessionDbError `conflict` when the user sent another batch under this id.
 */
export async function earlierResult(
  driver: Driver,
  batch: Batch<Principal>,
): Promise<WriteResult | undefined> {
  const rows = await driver.run(bindStatement(FIND, batchValues(batch)))
  const [earlier] = rows as AppliedBatchRow[]
  if (earlier === undefined) return undefined
  if (earlier.hash !== batch.hash) throw reusedBatchIdError()
  const { batchId, mutations } = JSON.parse(earlier.result) as WriteResult
  return { batchId, txid: earlier.txid === null ? null : Number(earlier.txid), mutations }
}
