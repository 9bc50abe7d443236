import type { Principal } from '../../schema/index.ts'
import type { WriteResult } from '../../writes/index.ts'
import { readStep } from './applied-step.ts'
import type { BatchRun } from './batch-run.ts'
import type { AppendMutation } from './mutation-plan.ts'
import { withRetries } from './retry.ts'
import type { StepStatementRow } from './statements.ts'

/**
 * Appends to a message that is being streamed: one statement, one round trip. The batch id is not
 * remembered, which would cost many times what the delta does: the numbers of the deltas tell one
 * that is sent again.
 */
export async function applyAppend<User extends Principal>(
  { driver, queries, principal, claim }: BatchRun<User>,
  mutation: AppendMutation,
): Promise<WriteResult> {
  const query = queries.step(principal, claim, mutation)
  const [row] = (await withRetries(() => driver.run(query))) as StepStatementRow[]
  if (row === undefined) throw new Error('The step statement always answers with one row')
  const { txid, mutations } = readStep(mutation, 0, row)
  return {
    batchId: claim.batchId,
    txid: txid === null ? null : Number(txid),
    mutations,
  }
}
