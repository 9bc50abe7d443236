import type { SessionDbError } from '../../errors.ts'
import { MAX_MUTATIONS, type WriteBatchInput } from '../../writes/batch.ts'
import { isTransient, toSessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import { createId } from '../create-id.ts'
import type { OutboxFailure, OutboxRecord, OutboxStorage } from './outbox-storage.ts'

/** The outcome of a write. */
export type OutboxAnswer = { readonly result: WriteResult } | { readonly failure: OutboxFailure }

/** A write and its answer. */
export interface AnsweredWrite {
  readonly record: OutboxRecord
  readonly answer: OutboxAnswer
}

/** The dependencies of draining. */
export interface DrainContext {
  readonly storage: OutboxStorage
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  readonly signal: AbortSignal
  /** Called with the answers to the writes of one batch. */
  readonly onAnswers: (answered: readonly AnsweredWrite[]) => void
  /** Called with every error after which the same batch is retried. */
  readonly onWaiting: (error: SessionDbError) => void
  /** Resolves when a write was added, or after `ms`. */
  readonly woken: (ms: number | undefined) => Promise<void>
}

export const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
const UNREACHED = 'The write did not reach the server. It will be retried.'

/**
 * Sends the waiting writes in the order they were made, until aborted. Writes that wait together go
 * as one batch: one round trip and one transaction for hundreds of them. The next batch is chosen
 * while one is in flight, and sent before the answers to that one are published. A refused batch is
 * halved until the refused write stands alone.
 */
export async function drain(context: DrainContext): Promise<void> {
  const { storage, signal, woken } = context
  let failures = 0
  let next: Chosen | undefined
  let finishing: Promise<void> = Promise.resolve()
  while (!signal.aborted) {
    // The answered writes must be deleted before the next are chosen.
    if (next === undefined) await finishing
    const chosen: Chosen = next ?? (await keep(storage, await choose(storage)))
    next = undefined
    const { group } = chosen
    // After a sign-out another user may sign in, who must not send this user's writes.
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

/** Checks whether an error concerns the network, the server or the sign-in, not the write itself. */
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
    // The writes are still stored and will be sent again; the server then returns the same answer.
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

/** Most characters of JSON in one request, well below the server's limit. */
const MAX_GROUP_LENGTH = 1_000_000

/** Writes to send as one batch, with its id. */
interface Chosen {
  readonly id: string
  readonly group: readonly OutboxRecord[]
  /** True if no more writes may be added. */
  readonly isFull: boolean
  /** True if the grouping is stored. */
  readonly isKept: boolean
}

/**
 * Returns the writes to send next: a group that has been tried before, or as many as fit.
 *
 * @param before the group that is in flight; only later writes are returned
 */
async function choose(
  storage: OutboxStorage,
  before: readonly OutboxRecord[] = [],
): Promise<Chosen> {
  const waiting = await storage.waiting(MAX_MUTATIONS, before.at(-1)?.n)
  const tried = waiting[0]?.group
  if (tried !== undefined) {
    const members = new Set(tried.members)
    const group = waiting.filter(({ n }) => members.has(n))
    return { id: tried.id, group, isFull: true, isKept: true }
  }
  const group: OutboxRecord[] = []
  let [mutations, length] = [0, 0]
  let isFull = waiting.length === MAX_MUTATIONS
  for (const record of waiting) {
    mutations += record.batch.mutations.length
    length += JSON.stringify(record.batch.mutations).length
    const isTooMuch = mutations > MAX_MUTATIONS || length > MAX_GROUP_LENGTH
    // A record with a group is the first of a group that has been tried.
    if (record.group !== undefined || (group.length > 0 && isTooMuch)) {
      isFull = true
      break
    }
    group.push(record)
  }
  return { id: idOf(group), group, isFull, isKept: group.length === 0 }
}

/** Returns the batch to send right after `group`; `ahead` was chosen while that was in flight. */
async function follow(
  storage: OutboxStorage,
  group: readonly OutboxRecord[],
  ahead: Chosen | undefined,
): Promise<Chosen | undefined> {
  if (ahead === undefined || ahead.isFull) return ahead
  // More writes may have been added since.
  const now = await choose(storage, group)
  return now.group.length === 0 ? undefined : now
}

/** Stores the grouping, so that a retry sends the same batch. */
async function keep(storage: OutboxStorage, chosen: Chosen): Promise<Chosen> {
  if (!chosen.isKept) await storage.put(headed(chosen.id, chosen.group))
  return chosen
}

function batchOf({ id, group }: Chosen): WriteBatchInput {
  return { id, mutations: group.flatMap(({ batch }) => batch.mutations) }
}

/** Returns the batch id: a single write keeps its own, also when it was sent before. */
function idOf(group: readonly OutboxRecord[]): string {
  return group.length === 1 && group[0] !== undefined ? group[0].batch.id : createId()
}

/** Returns the first record of a group, marked with the group. */
function headed(id: string, group: readonly OutboxRecord[]): OutboxRecord[] {
  const members = group.map(({ n }) => n)
  return group.slice(0, 1).map((first) => ({ ...first, group: { id, members } }))
}
