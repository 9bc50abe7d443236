import type { SessionDbError } from '../../errors.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import { isTransient, toSessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import { batchOf, type Chosen, choose, follow, headed, idOf, keep } from './outbox-groups.ts'
import type { OutboxFailure, OutboxRecord, OutboxStorage } from './outbox-storage.ts'

/** What becomes of a write. */
export type OutboxAnswer = { readonly result: WriteResult } | { readonly failure: OutboxFailure }

/** A write and its answer. */
export interface AnsweredWrite {
  readonly record: OutboxRecord
  readonly answer: OutboxAnswer
}

/** What draining needs. */
export interface DrainContext {
  readonly storage: OutboxStorage
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  readonly signal: AbortSignal
  /** Hears of the answers to the writes of one batch. */
  readonly onAnswers: (answered: readonly AnsweredWrite[]) => void
  /** Hears of every error after which the same is tried again. */
  readonly onWaiting: (error: SessionDbError) => void
  /** Resolves when something has been added, or it is time to try again. */
  readonly woken: (ms: number | undefined) => Promise<void>
}

export const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
const UNREACHED = 'The write did not reach the server. Try again.'

/**
 * Sends what waits, in the order it was written, until aborted. Writes that wait together go as one
 * batch: one round trip and one transaction for hundreds of them. While one is on its way the next
 * one is chosen, and it goes before the answers to the first are told. A refused batch is halved
 * until the write that is refused stands alone.
 */
export async function drain(context: DrainContext): Promise<void> {
  const { storage, signal, woken } = context
  let failures = 0
  let next: Chosen | undefined
  let finishing: Promise<void> = Promise.resolve()
  while (!signal.aborted) {
    // What has been answered is gone then; or the device fails, and it is not tried at once.
    if (next === undefined) await finishing
    const chosen: Chosen = next ?? (await keep(storage, await choose(storage)))
    next = undefined
    const { group } = chosen
    // Closed meanwhile: whoever signs in next may not be the one who wrote this.
    if (signal.aborted) break
    if (group.length === 0) {
      await woken(undefined)
      continue
    }
    try {
      const ahead = chosen.isFull ? choose(storage, group).catch(() => undefined) : undefined
      const result = await context.write(batchOf(chosen))
      failures = 0
      await finishing
      next = await follow(storage, group, await ahead)
      const kept = next && keep(storage, next)
      finishing = finish(context, group, result)
      await kept
    } catch (error) {
      if (signal.aborted) break
      const reason = toSessionDbError(error, UNREACHED)
      if (!isPassing(reason)) await refuse(context, group, reason)
      else {
        context.onWaiting(reason)
        const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS)
        failures += 1
        await woken(delay * (0.5 + Math.random() / 2))
      }
    }
  }
  await finishing
}

/** Whether it says nothing of the write itself: the network, the server, the sign-in. */
function isPassing(reason: SessionDbError): boolean {
  return isTransient(reason) || reason.code === 'unauthenticated'
}

async function finish(
  context: DrainContext,
  group: readonly OutboxRecord[],
  result: WriteResult,
): Promise<void> {
  try {
    await context.storage.delete(group)
  } catch (error) {
    // It is still there, and is sent again: the server answers as it did.
    context.onWaiting(toSessionDbError(error, UNREACHED))
    await context.woken(FIRST_DELAY_MS)
    return
  }
  answer(context, group, result)
}

function answer(
  { onAnswers }: DrainContext,
  group: readonly OutboxRecord[],
  { txid, mutations }: WriteResult,
): void {
  let start = 0
  onAnswers(
    group.map((record) => {
      const end = start + record.batch.mutations.length
      const own = mutations.slice(start, end)
      start = end
      const changed = own.some(({ unchanged }) => !unchanged)
      const result = { batchId: record.batch.id, txid: changed ? txid : null, mutations: own }
      return { record, answer: { result } }
    }),
  )
}

async function refuse(
  { storage, onAnswers }: DrainContext,
  group: readonly OutboxRecord[],
  { code, message, details }: SessionDbError,
): Promise<void> {
  const [only] = group
  if (only === undefined) return
  if (group.length > 1) {
    const half = Math.ceil(group.length / 2)
    const halves = [group.slice(0, half), group.slice(half)]
    await storage.put(halves.flatMap((part) => headed(idOf(part), part)))
    return
  }
  const failure: OutboxFailure = { code, message, ...(details === undefined ? {} : { details }) }
  await storage.put([{ ...only, failure }])
  onAnswers([{ record: only, answer: { failure } }])
}
