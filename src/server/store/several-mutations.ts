import type { PoolClient } from 'pg'
import type { AppliedMutation, Mutation, WriteResult } from '../../writes/index.ts'
import { ignoreBreak } from '../with-client.ts'
import { answerAgain, claimBatch, findAppliedBatch, storeResult } from './applied-batches.ts'
import { type BatchRun, runAlone } from './batch-run.ts'
import { refusal } from './refusal.ts'
import { withRetries } from './retry.ts'
import { collectRows, sendQueries } from './send-queries.ts'
import { type StepStatementRow, stepStatement } from './statements.ts'

/** Applies a batch of several mutations in one transaction. */
export async function applySeveral(run: BatchRun): Promise<WriteResult> {
  const result = await withRetries(() => inTransaction(run))
  if (result !== undefined) return result
  const [earlier] = await runAlone(run, findAppliedBatch(run.claim))
  if (earlier === undefined) throw new Error('The claim on the batch id was lost and not found')
  return answerAgain(run.claim, earlier)
}

/** The result, or undefined when the batch id was claimed before. */
async function inTransaction(run: BatchRun): Promise<WriteResult | undefined> {
  const client = await run.pool.connect()
  client.on('error', ignoreBreak)
  let broken = false
  try {
    const claim = run.preparer.prepare(claimBatch(run.claim))
    // Set here, because with a stricter default the waits below would end in failures.
    const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED'
    const [, claimed] = await collectRows(client, [begin, claim])
    if (claimed?.length === 1) return await applySteps(run, client)
    await client.query('ROLLBACK')
    return undefined
  } catch (error) {
    broken = await failsToRollBack(client)
    throw error
  } finally {
    client.off('error', ignoreBreak)
    // Closing the connection rolls back too.
    client.release(broken)
  }
}

async function applySteps(run: BatchRun, client: PoolClient): Promise<WriteResult> {
  const queries = run.plans.map((plan) => run.preparer.prepare(stepStatement(plan)))
  const mutations: AppliedMutation[] = []
  let txid: number | null = null
  for await (const rows of sendQueries(client, queries)) {
    const index = mutations.length
    const { mutation } = run.plans[index] as { mutation: Mutation }
    const step = rows[0] as StepStatementRow
    if (!step.admitted || step.id === null) throw refusal(mutation, index, step)
    if (step.txid !== null) txid = Number(step.txid)
    const { collection, type } = mutation
    mutations.push({ collection, type, id: step.id, version: step.version })
  }
  const result = { batchId: run.claim.batchId, txid, mutations }
  const store = run.preparer.prepare(storeResult(run.claim, result))
  await collectRows(client, [store, 'COMMIT'])
  return result
}

function failsToRollBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => false,
    () => true,
  )
}
