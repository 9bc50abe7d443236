import { setTimeout as delay } from 'node:timers/promises'
import type { Principal } from '../../schema/index.ts'
import type { AppliedMutation, Mutation, WriteResult } from '../../writes/index.ts'
import { type Batch, claimBatch, earlierResult, storeResult } from './applied-batches.ts'
import { collect, type Driver, type DriverConnection, plainQuery, rollBack } from './drivers.ts'
import { isBatchTaken, isTaken, isWorthRetrying, refusal, refusedOutcome } from './errors.ts'
import { beginLimited } from './pg-pool.ts'
import { isNewMessage, type NewMessage } from './plans.ts'
import type { Query } from './prepared-statements.ts'
import {
  appliedMessage,
  type BatchRow,
  type Statements,
  type Step,
  type StepRow,
} from './statements.ts'

/** The connection to the database and the statements of the store's policy. */
export interface ApplyContext<P extends Principal> {
  readonly driver: Driver
  readonly statements: Statements<P>
  readonly statementTimeoutMs: number
}

/**
 * Applies a batch in one transaction. A batch of one mutation is one statement and one round trip; a
 * batch of several is a transaction with one statement per mutation.
 *
 * @throws SessionDbError when it is refused; errors of the driver as they are.
 */
export async function applyBatch<P extends Principal>(
  context: ApplyContext<P>,
  batch: Batch<P>,
): Promise<WriteResult> {
  const [only, ...more] = batch.mutations
  if (only === undefined || more.length > 0) return applySeveral(context, batch)
  return only.type === 'append' ? applyAppend(context, batch) : applySingle(context, batch, only)
}

/**
 * Appends to a streaming message in one round trip. The batch id is not stored, which would cost many
 * times what a delta costs; a repeated delta is recognised by its number.
 */
async function applyAppend<P extends Principal>(
  { driver, statements }: ApplyContext<P>,
  batch: Batch<P>,
): Promise<WriteResult> {
  const [step] = statements.steps(batch)
  if (step === undefined) throw new Error('A batch has at least one mutation')
  try {
    const rows = (await withRetries(() => driver.run(step.query))) as StepRow[]
    return { batchId: batch.id, ...readStep(step.mutations, rows) }
  } catch (error) {
    throw explained(error, step, 0)
  }
}

/** Applies a batch of one mutation. A second statement is needed only when it was not applied. */
async function applySingle<P extends Principal>(
  context: ApplyContext<P>,
  batch: Batch<P>,
  mutation: Mutation,
): Promise<WriteResult> {
  try {
    return await withRetries(() => applyOnce(context, batch, mutation))
  } catch (error) {
    // A retry of an insert that was applied collides with its own row.
    if (!isTaken(error)) throw error
    return (await earlierResult(context.driver, batch)) ?? Promise.reject(error)
  }
}

async function applyOnce<P extends Principal>(
  context: ApplyContext<P>,
  batch: Batch<P>,
  mutation: Mutation,
): Promise<WriteResult> {
  const { driver, statements } = context
  if (isNewMessage(mutation) && isFast(mutation)) {
    const result = await applyNewMessage(context, batch, mutation)
    if (result !== undefined) return result
  }
  const [row] = (await driver.run(statements.batch(batch, mutation))) as BatchRow[]
  if (row === undefined) throw new Error('The batch statement returned no row')
  if (row.result !== null) return JSON.parse(row.result) as WriteResult
  return (await earlierResult(driver, batch)) ?? Promise.reject(refusal(mutation, 0, row))
}

/** The fast statement neither looks for a parent nor counts unfinished messages. */
function isFast({ value }: NewMessage): boolean {
  return value.parentId === undefined && value.status !== 'streaming'
}

/**
 * Tries the fast statement for a new message that follows the thread's head.
 *
 * @returns undefined when nothing was written. The general statement then finds out why.
 */
async function applyNewMessage<P extends Principal>(
  { driver, statements }: ApplyContext<P>,
  batch: Batch<P>,
  mutation: NewMessage,
): Promise<WriteResult | undefined> {
  try {
    const rows = await driver.run(statements.newMessage(batch, mutation))
    const [row] = rows as { readonly txid: string }[]
    if (row === undefined) return undefined
    return { batchId: batch.id, txid: Number(row.txid), mutations: [appliedMessage(mutation)] }
  } catch (error) {
    if (isBatchTaken(error)) return await earlierResult(driver, batch)
    if (isTaken(error)) return undefined
    throw error
  }
}

const COMMIT = plainQuery('COMMIT')
const ROLLBACK = plainQuery('ROLLBACK')

async function applySeveral<P extends Principal>(
  context: ApplyContext<P>,
  batch: Batch<P>,
): Promise<WriteResult> {
  const result =
    (await withRetries(() => inTransaction(context, batch))) ??
    (await earlierResult(context.driver, batch))
  if (result === undefined) throw new Error('The batch id is claimed but has no result')
  return result
}

/** Returns undefined when the batch id was claimed before. */
async function inTransaction<P extends Principal>(
  { driver, statements, statementTimeoutMs }: ApplyContext<P>,
  batch: Batch<P>,
): Promise<WriteResult | undefined> {
  // The level is set explicitly: with a stricter default, waits for other batches would end in failures.
  const begin = plainQuery(beginLimited(statementTimeoutMs, 'BEGIN ISOLATION LEVEL READ COMMITTED'))
  const outcome = await driver.connect(async (connection) => {
    try {
      return { result: await claimAndApply(connection, statements, batch, begin) }
    } catch (failure) {
      // A connection that can't roll back is broken. Throwing here closes it, which rolls back too.
      if (!(await rollBack(connection))) throw failure
      return { failure }
    }
  })
  if ('failure' in outcome) throw outcome.failure
  return outcome.result
}

async function claimAndApply<P extends Principal>(
  connection: DriverConnection,
  statements: Statements<P>,
  batch: Batch<P>,
  begin: Query,
): Promise<WriteResult | undefined> {
  const [, claimed] = await collect(connection, [begin, claimBatch(batch)])
  if (claimed?.length !== 1) {
    await collect(connection, [ROLLBACK])
    return undefined
  }
  const steps = statements.steps(batch)
  const mutations: AppliedMutation[] = []
  let txid: number | null = null
  let next = 0
  try {
    for await (const rows of connection.send(steps.map(({ query }) => query))) {
      const applied = readStep(steps[next++]?.mutations ?? [], rows as StepRow[])
      mutations.push(...applied.mutations)
      txid = applied.txid ?? txid
    }
  } catch (error) {
    throw explained(error, steps[next], mutations.length)
  }
  const result = { batchId: batch.id, txid, mutations }
  await collect(connection, [storeResult(batch, result), COMMIT])
  return result
}

/** Reads the rows of a step, one per mutation. */
function readStep(
  step: readonly Mutation[],
  rows: readonly StepRow[],
): Pick<WriteResult, 'txid' | 'mutations'> {
  let txid: number | null = null
  const mutations = step.map(({ collection, type }, position) => {
    const row = rows[position]
    if (row === undefined) throw new Error('The step statement returned too few rows')
    const { id, version } = row
    if (row.txid === null) return { collection, type, id, version, unchanged: true as const }
    txid = Number(row.txid)
    return { collection, type, id, version }
  })
  return { txid, mutations }
}

/** Turns the error of a refused step, whose first mutation is the batch's `index`-th, into a refusal. */
function explained(error: unknown, step: Step | undefined, index: number): unknown {
  const outcome = refusedOutcome(error)
  return outcome === undefined || step === undefined
    ? error
    : refusal(step.mutations[0], index, outcome)
}

const MAX_ATTEMPTS = 10
const FIRST_DELAY_MS = 5
const MAX_DELAY_MS = 640

/** Repeats `work` up to nine times after failures that the next attempt may not have. */
async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isWorthRetrying(error, attempt)) throw error
      // Full jitter, so that two batches that collided don't collide again.
      await delay(Math.random() * Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS))
    }
  }
}
