import { v7 as uuidv7 } from 'uuid'
import type { SessionDbError } from '../../errors.ts'
import { type MutationInput, parseWriteBatch, type WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import { applyMutations, type Origin, type Touch } from '../optimistic/apply-mutations.ts'
import { type OptimisticOverlay, showOptimistic } from '../optimistic/optimistic-overlay.ts'
import type { WriterIdentity } from '../optimistic/optimistic-rows.ts'
import type { LiveSources } from '../sources.ts'
import { type ExpectedRow, untilShown } from '../sync/confirm-write.ts'
import type { SyncStream } from '../sync/sync-stream.ts'

/** The dependencies of committing a batch. */
export interface CommitContext {
  readonly live: LiveSources
  readonly identity: WriterIdentity
  /** Sends a batch after earlier ones that concern the same rows, with retries. */
  readonly send: (batch: WriteBatchInput) => Promise<WriteResult>
  /** Commits batches through the outbox instead, if the app uses one. */
  readonly outbox?: { commit: CommitThroughOutbox }
  /** How long an answered write may take to come back through the stream, in ms. */
  readonly syncTimeoutMs: number
  readonly onError: (error: SessionDbError) => void
}

export type { Origin }

/** The caller's part of a batch. */
export interface BatchHints {
  /** The sessions of threads. */
  readonly sessionOfThread: ReadonlyMap<string, string>
  /** The rows that TanStack DB shows already, by mutation. */
  readonly origins?: readonly Origin[]
  /** Settles when TanStack DB's own transaction has: the optimistic rows stay until then. */
  readonly settled?: Promise<unknown>
}

const NO_HINTS: BatchHints = { sessionOfThread: new Map() }

/** Shows a batch, stores it, and resolves when it has come back through the stream. */
export type CommitThroughOutbox = (
  batch: WriteBatchInput,
  hints: BatchHints,
) => Promise<WriteResult>

/** A write in progress. */
export interface PendingWrite {
  readonly batchId: string
  /**
   * Resolves when the server has stored the write and every collection that shows it has received it
   * from the server. Rejects with a `SessionDbError`. It is safe to ignore.
   */
  readonly committed: Promise<WriteResult>
}

/**
 * Shows the mutations in every live collection they touch and sends them as one batch. The optimistic
 * rows are removed when the server refuses the batch or the streams have delivered its own rows.
 */
export function commitBatch(
  context: CommitContext,
  mutations: readonly MutationInput[],
  hints: BatchHints = NO_HINTS,
  id: string = uuidv7(),
): PendingWrite {
  const batch: WriteBatchInput = { id, mutations: [...mutations] }
  const committed = context.outbox?.commit(batch, hints) ?? settle(context, batch, hints)
  committed.catch(context.onError)
  return { batchId: batch.id, committed }
}

/** Runs synchronously until the batch is sent or queued, so the rows show before it returns. */
async function settle(
  context: CommitContext,
  batch: WriteBatchInput,
  hints: BatchHints,
): Promise<WriteResult> {
  parseWriteBatch(batch)
  const shown = showBatch(context, batch, hints)
  let result: WriteResult
  try {
    result = await context.send(batch)
  } catch (error) {
    shown.overlay.drop()
    throw error
  }
  await confirmBatch(shown, batch, result, context.syncTimeoutMs)
  return result
}

/** The optimistic rows of a batch and the collections that show them. */
export interface Shown {
  readonly overlay: OptimisticOverlay
  readonly touches: readonly Touch[]
}

/** Shows a batch in every live collection that it touches. */
export function showBatch(
  { live, identity }: Pick<CommitContext, 'live' | 'identity'>,
  { mutations }: WriteBatchInput,
  { sessionOfThread, origins = [], settled }: BatchHints,
): Shown {
  let touches: Touch[] = []
  const context = { live, identity, now: new Date(), sessionOfThread }
  const { drop } = showOptimistic(() => {
    touches = applyMutations(mutations, context, origins)
  })
  if (settled === undefined) return { overlay: { drop }, touches }
  let repeated: OptimisticOverlay | undefined
  let isDropped = false
  settled.catch((error: unknown) => {
    // TanStack DB rolls back, but the server has stored the rows: they stay until the stream brings them.
    if (isDropped || (error as SessionDbError | undefined)?.code !== 'sync_timeout') return
    repeated = showOptimistic(() => {
      for (const origin of origins) if (origin.optimistic && origin.stream.isLive()) origin.repeat()
    })
  })
  const dropAll = () => {
    drop()
    repeated?.drop()
  }
  return {
    overlay: {
      drop() {
        isDropped = true
        void settled.then(dropAll, dropAll)
      },
    },
    touches,
  }
}

/** After a timeout, optimistic rows stay this many times longer in case the stream catches up. */
const GRACE = 6

/**
 * Removes the optimistic rows of an answered batch as soon as every collection that shows it has
 * received it from the server.
 *
 * @throws SessionDbError `sync_timeout` after `syncTimeoutMs`
 */
export async function confirmBatch(
  { overlay, touches }: Shown,
  batch: WriteBatchInput,
  result: WriteResult,
  syncTimeoutMs: number,
): Promise<void> {
  const expected = expectedRows(touches, batch, result)
  if (result.txid === null || expected.size === 0) {
    overlay.drop()
    return
  }
  const times = { timeoutMs: syncTimeoutMs, graceMs: syncTimeoutMs * GRACE }
  await untilShown(result.txid, expected, times, overlay.drop)
}

/**
 * Returns the rows to wait for, by stream. Mutations that changed nothing are left out, and so is a
 * message answered with another id, which the server had stored before.
 */
function expectedRows(
  touches: readonly Touch[],
  batch: WriteBatchInput,
  result: WriteResult,
): Map<SyncStream, ExpectedRow[]> {
  const expected = new Map<SyncStream, ExpectedRow[]>()
  for (const { source, index, holdsRow } of touches) {
    const asked = batch.mutations[index]
    const applied = result.mutations[index]
    if (asked === undefined || applied?.id !== idOf(asked) || applied.unchanged) continue
    const rows = expected.get(source) ?? []
    expected.set(source, rows)
    const isIn = holdsRow && (asked.type === 'insert' || applied.version !== null)
    if (isIn && asked.type !== 'delete')
      rows.push({ id: applied.id, version: applied.version ?? 0 })
  }
  return expected
}

function idOf(mutation: MutationInput): string {
  return mutation.type === 'insert' ? mutation.value.id : mutation.id
}
