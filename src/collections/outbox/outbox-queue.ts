import { v7 as uuidv7 } from 'uuid'
import { type ErrorCode, SessionDbError } from '../../errors.ts'
import { MAX_MUTATIONS, type WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
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

/** Errors that say nothing of the write itself: the network, the server, the sign-in. */
const PASSING: readonly ErrorCode[] = ['unavailable', 'rate_limited', 'unauthenticated']
export const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
/** Characters of JSON in one request: well below what a server takes. */
const MAX_GROUP_LENGTH = 1_000_000

/**
 * Sends what waits, in the order it was written, until aborted. Writes that wait together go as one
 * batch: one round trip and one transaction for hundreds of them. A refused batch is halved until
 * the write that is refused stands alone.
 */
export async function drain(context: DrainContext): Promise<void> {
  const { storage, signal, woken } = context
  let failures = 0
  while (!signal.aborted) {
    const { id, group } = await nextGroup(storage)
    // Closed meanwhile: whoever signs in next may not be the one who wrote this.
    if (signal.aborted) return
    if (group.length === 0) {
      await woken(undefined)
      continue
    }
    try {
      const result = await context.write({
        id,
        mutations: group.flatMap(({ batch }) => batch.mutations),
      })
      failures = 0
      await storage.delete(group)
      answer(context, group, result)
    } catch (error) {
      if (signal.aborted) return
      const reason = toSessionDbError(error)
      if (!PASSING.includes(reason.code)) await refuse(context, group, reason)
      else {
        context.onWaiting(reason)
        const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS)
        failures += 1
        await woken(delay * (0.5 + Math.random() / 2))
      }
    }
  }
}

/** Writes and the id of the batch they are sent as. */
interface Chosen {
  readonly id: string
  readonly group: readonly OutboxRecord[]
}

/** The writes that are sent next: a group that has been tried before, or as many as fit. */
async function nextGroup(storage: OutboxStorage): Promise<Chosen> {
  const waiting = await storage.waiting(MAX_MUTATIONS)
  const first = waiting[0]
  if (first === undefined) return { id: '', group: [] }
  if (first.group !== undefined) {
    const { id } = first.group
    const members = new Set(first.group.members)
    return { id, group: waiting.filter(({ n }) => members.has(n)) }
  }
  const chosen: OutboxRecord[] = []
  let [mutations, length] = [0, 0]
  for (const record of waiting) {
    mutations += record.batch.mutations.length
    length += JSON.stringify(record.batch.mutations).length
    const isTooMuch = mutations > MAX_MUTATIONS || length > MAX_GROUP_LENGTH
    // One that has a group stands at the head of others that have been tried.
    if (record.group !== undefined || (chosen.length > 0 && isTooMuch)) break
    chosen.push(record)
  }
  const id = await regroup(storage, chosen)
  return { id, group: chosen }
}

/** A single write keeps its own id, so that it is known wherever it was sent from. */
async function regroup(storage: OutboxStorage, records: readonly OutboxRecord[]): Promise<string> {
  const [first, ...more] = records
  if (first === undefined) return ''
  const id = more.length === 0 ? first.batch.id : uuidv7()
  await storage.put([{ ...first, group: { id, members: records.map(({ n }) => n) } }])
  return id
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
      return { record, answer: { result: { batchId: record.batch.id, txid, mutations: own } } }
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
    await regroup(storage, group.slice(0, half))
    await regroup(storage, group.slice(half))
    return
  }
  const failure: OutboxFailure = { code, message, ...(details === undefined ? {} : { details }) }
  await storage.put([{ ...only, failure }])
  onAnswers([{ record: only, answer: { failure } }])
}

function toSessionDbError(error: unknown): SessionDbError {
  if (error instanceof SessionDbError) return error
  return new SessionDbError('unavailable', 'The write did not reach the server. Try again.', {
    cause: error,
  })
}
