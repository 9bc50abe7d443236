import type { Principal } from '../../schema/index.ts'
import type { Mutation, WriteResult } from '../../writes/index.ts'
import { earlierAnswer } from './applied-batches.ts'
import type { BatchRun } from './batch-run.ts'
import { isTaken } from './database-errors.ts'
import { applyNewMessage, isNewMessage } from './new-message.ts'
import { refusal } from './refusal.ts'
import { withRetries } from './retry.ts'
import type { BatchStatementRow } from './statements.ts'

/**
 * Applies a batch of one mutation: one statement, one round trip. Only when that did not apply it is
 * there a second one, which looks whether it had been applied before.
 */
export async function applySingle<User extends Principal>(
  run: BatchRun<User>,
  mutation: Mutation,
): Promise<WriteResult> {
  try {
    return await withRetries(() => applyOnce(run, mutation))
  } catch (error) {
    // A retry of an insert that was applied finds its own row in the way.
    if (!isTaken(error)) throw error
    return (await earlierAnswer(run)) ?? Promise.reject(error)
  }
}

async function applyOnce<User extends Principal>(
  run: BatchRun<User>,
  mutation: Mutation,
): Promise<WriteResult> {
  if (isNewMessage(mutation)) {
    const result = await applyNewMessage(run, mutation)
    if (result !== undefined) return result
  }
  const query = run.queries.batch(run.principal, run.claim, mutation)
  const [row] = (await run.driver.run(query)) as BatchStatementRow[]
  if (row === undefined) throw new Error('The batch statement always answers with one row')
  if (row.result !== null) return JSON.parse(row.result) as WriteResult
  return (await earlierAnswer(run)) ?? Promise.reject(refusal(mutation, 0, row))
}
