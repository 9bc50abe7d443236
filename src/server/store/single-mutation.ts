import type { WriteResult } from '../../writes/index.ts'
import { answerAgain, findAppliedBatch } from './applied-batches.ts'
import { type BatchRun, runAlone } from './batch-run.ts'
import { isTaken } from './database-errors.ts'
import type { MutationPlan } from './mutation-plan.ts'
import { refusal } from './refusal.ts'
import { withRetries } from './retry.ts'
import { batchStatement } from './statements.ts'

/**
 * Applies a batch of one mutation: one statement, one round trip. Only when that did not apply it is
 * there a second one, which looks whether it had been applied before.
 */
export async function applySingle(run: BatchRun, plan: MutationPlan): Promise<WriteResult> {
  try {
    return await withRetries(() => applyOnce(run, plan))
  } catch (error) {
    // A retry of an insert that was applied finds its own row in the way.
    if (!isTaken(error)) throw error
    return (await earlierAnswer(run)) ?? Promise.reject(error)
  }
}

async function applyOnce(run: BatchRun, plan: MutationPlan): Promise<WriteResult> {
  const [row] = await runAlone(run, batchStatement(plan, run.claim))
  if (row === undefined) throw new Error('The batch statement always answers with one row')
  if (row.result !== null) return JSON.parse(row.result) as WriteResult
  return (await earlierAnswer(run)) ?? Promise.reject(refusal(plan.mutation, 0, row))
}

async function earlierAnswer(run: BatchRun): Promise<WriteResult | undefined> {
  const [earlier] = await runAlone(run, findAppliedBatch(run.claim))
  return earlier === undefined ? undefined : answerAgain(run.claim, earlier)
}
