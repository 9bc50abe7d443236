import type { Principal } from '../../schema/index.ts'
import type { AppliedMutation, WriteResult } from '../../writes/index.ts'
import { claimBatch, earlierAnswer, storeResult } from './applied-batches.ts'
import { type AppliedStep, readStep } from './applied-step.ts'
import type { BatchRun } from './batch-run.ts'
import { collect, type DriverConnection, plainQuery, rollBack } from './drivers/driver.ts'
import type { MessageRun, MessageRunRow } from './message-run.ts'
import type { Step } from './mutation-queries.ts'
import { appliedMessage } from './new-message.ts'
import { refusal } from './refusal.ts'
import { withRetries } from './retry.ts'
import type { StepStatementRow } from './statements.ts'

// Set here, because with a stricter default the waits for other batches would end in failures.
const BEGIN = plainQuery('BEGIN ISOLATION LEVEL READ COMMITTED')
const COMMIT = plainQuery('COMMIT')

/** Applies a batch of several mutations in one transaction. */
export async function applySeveral<User extends Principal>(
  run: BatchRun<User>,
): Promise<WriteResult> {
  const result = (await withRetries(() => inTransaction(run))) ?? (await earlierAnswer(run))
  if (result === undefined) throw new Error('The claim on the batch id was lost and not found')
  return result
}

/** A failure inside a transaction that has been rolled back: its connection is as good as before. */
interface RolledBack {
  readonly failure: unknown
}

/** The result, or undefined when the batch id was claimed before. */
async function inTransaction<User extends Principal>(
  run: BatchRun<User>,
): Promise<WriteResult | undefined> {
  const outcome = await run.driver.connect(
    async (connection): Promise<RolledBack | { result: WriteResult | undefined }> => {
      try {
        return { result: await claimAndApply(run, connection) }
      } catch (failure) {
        // Closing the connection rolls back too.
        if (!(await rollBack(connection))) throw failure
        return { failure }
      }
    },
  )
  if ('failure' in outcome) throw outcome.failure
  return outcome.result
}

async function claimAndApply<User extends Principal>(
  run: BatchRun<User>,
  connection: DriverConnection,
): Promise<WriteResult | undefined> {
  const [, claimed] = await collect(connection, [BEGIN, claimBatch.bind(run)])
  if (claimed?.length === 1) return await applySteps(run, connection)
  await collect(connection, [plainQuery('ROLLBACK')])
  return undefined
}

async function applySteps<User extends Principal>(
  { queries, principal, claim, mutations: asked }: BatchRun<User>,
  connection: DriverConnection,
): Promise<WriteResult> {
  const mutations: AppliedMutation[] = []
  let txid: number | null = null
  const steps = queries.steps(principal, claim, asked)
  const answers = connection.send(steps.map(({ query }) => query))
  let done = 0
  for await (const [row] of answers) {
    const step = steps[done++] as Step
    const applied =
      step.run === undefined
        ? readStep(step.mutation, mutations.length, row as StepStatementRow)
        : readRun(step.run, mutations.length, row as MessageRunRow)
    mutations.push(...applied.mutations)
    if (applied.txid !== null) txid = Number(applied.txid)
  }
  const result = { batchId: claim.batchId, txid, mutations }
  await collect(connection, [storeResult.bind({ claim, result }), COMMIT])
  return result
}

function readRun(run: MessageRun, index: number, { permitted, txid }: MessageRunRow): AppliedStep {
  if (permitted !== true) throw refusal(run[0], index, { permitted, current: null })
  return { txid, mutations: run.map(appliedMessage) }
}
