import type { WriteResult } from '../../writes/index.ts'
import { type BatchRun, runAlone } from './batch-run.ts'
import type { MutationPlan } from './mutation-plan.ts'
import { refusal } from './refusal.ts'
import { withRetries } from './retry.ts'
import { stepStatement } from './statements.ts'

/**
 * Appends to a message that is being streamed: one statement, one round trip. The batch id is not
 * remembered, which would cost many times what the delta does: the numbers of the deltas tell one
 * that is sent again.
 */
export async function applyAppend(run: BatchRun, plan: MutationPlan): Promise<WriteResult> {
  const [row] = await withRetries(() => runAlone(run, stepStatement(plan)))
  if (row === undefined) throw new Error('The step statement always answers with one row')
  if (!row.admitted || row.id === null) throw refusal(plan.mutation, 0, row)
  return {
    batchId: run.claim.batchId,
    txid: row.txid === null ? null : Number(row.txid),
    mutations: [
      { collection: plan.mutation.collection, type: 'append', id: row.id, version: row.version },
    ],
  }
}
