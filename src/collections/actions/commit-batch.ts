import { v7 as uuidv7 } from 'uuid'
import type { SessionDbError } from '../../errors.ts'
import { type MutationInput, parseWriteBatch, type WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import { applyMutations, type Touch } from '../optimistic/apply-mutations.ts'
import { type OptimisticOverlay, showOptimistic } from '../optimistic/optimistic-overlay.ts'
import type { WriterIdentity } from '../optimistic/optimistic-rows.ts'
import type { OutboxWrites } from '../outbox/outbox-writes.ts'
import type { LiveSources } from '../sources.ts'
import { confirmWrite } from '../sync/confirm-write.ts'
import type { WriteOrder } from './write-order.ts'

/** What committing a batch needs. */
export interface CommitContext {
  readonly live: LiveSources
  readonly identity: WriterIdentity
  /** Sends a batch, with retries. */
  readonly send: (batch: WriteBatchInput) => Promise<WriteResult>
  readonly order: WriteOrder
  /** Where writes wait on this device, when there is such a place. */
  readonly outbox?: OutboxWrites
  /** How long to wait for a write the server has to come back through the stream, in ms. */
  readonly syncTimeoutMs: number
  readonly onError: (error: SessionDbError) => void
}

/** A write on its way. */
export interface PendingWrite {
  readonly batchId: string
  /**
   * Resolves when the server has the write and every collection that shows it has it from the
   * server. Rejects with a `SessionDbError`. It is safe to ignore.
   */
  readonly committed: Promise<WriteResult>
}

/**
 * Shows the mutations at once in every live collection they touch, sends them as one batch, and
 * takes the optimistic rows away when the server refuses or the stream has brought its own.
 */
export function commitBatch(
  context: CommitContext,
  mutations: readonly MutationInput[],
  sessionOfThread: ReadonlyMap<string, string> = new Map(),
): PendingWrite {
  const batch: WriteBatchInput = { id: uuidv7(), mutations: [...mutations] }
  const committed =
    context.outbox?.commit(batch, sessionOfThread) ?? settle(context, batch, sessionOfThread)
  committed.catch(context.onError)
  return { batchId: batch.id, committed }
}

/** Runs synchronously until the batch is sent or queued, so the rows show before it returns. */
async function settle(
  context: CommitContext,
  batch: WriteBatchInput,
  sessionOfThread: ReadonlyMap<string, string>,
): Promise<WriteResult> {
  parseWriteBatch(batch)
  const shown = showBatch(context, batch, sessionOfThread)
  const result = await send(context, batch, shown.overlay)
  await confirmWrite(shown, batch, result, context.syncTimeoutMs)
  return result
}

/** What a batch shows, and where. */
export interface Shown {
  readonly overlay: OptimisticOverlay
  readonly touches: readonly Touch[]
}

/** Shows a batch in every live collection that it touches. */
export function showBatch(
  { live, identity }: Pick<CommitContext, 'live' | 'identity'>,
  { mutations }: WriteBatchInput,
  sessionOfThread: ReadonlyMap<string, string>,
): Shown {
  let touches: Touch[] = []
  const overlay = showOptimistic(() => {
    touches = applyMutations(mutations, { live, identity, now: new Date(), sessionOfThread })
  })
  return { overlay, touches }
}

async function send(
  context: CommitContext,
  batch: WriteBatchInput,
  overlay: OptimisticOverlay,
): Promise<WriteResult> {
  try {
    return await context.order.run(batch.mutations, () => context.send(batch))
  } catch (error) {
    overlay.drop()
    throw error
  }
}
