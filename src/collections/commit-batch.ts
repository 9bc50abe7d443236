import { v7 as uuidv7 } from 'uuid'
import type { SessionDbError } from '../errors.ts'
import type { MutationInput, WriteBatchInput } from '../writes/batch.ts'
import type { WriteResult } from '../writes/result.ts'
import { applyMutations, type Touch } from './apply-mutations.ts'
import type { SyncStream } from './electric.ts'
import { type OptimisticOverlay, showOptimistic } from './optimistic-overlay.ts'
import type { WriterIdentity } from './optimistic-rows.ts'
import type { OutboxWrites } from './outbox/outbox-writes.ts'
import type { LiveSources } from './sources.ts'
import type { ExpectedRow } from './sync-evidence.ts'
import { isDoneWithin, syncTimeout } from './sync-timeout.ts'
import type { WriteOrder } from './write-order.ts'
import type { WriteSender } from './write-sender.ts'

/** What committing a batch needs. */
export interface CommitContext {
  readonly live: LiveSources
  readonly identity: WriterIdentity
  readonly sender: WriteSender
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

/** After a timeout optimistic rows stay this many times longer, in case the stream catches up. */
const GRACE = 6

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
  const { sender } = context
  sender.check(batch)
  let shown: Shown
  try {
    shown = showBatch(context, batch, sessionOfThread)
  } catch (error) {
    // It could not be checked yet, and is nothing that could be shown: say what it is.
    await sender.checkLater(batch)
    throw error
  }
  const { overlay, touches } = shown
  const result = await send(context, batch, overlay)
  const expected = expectedIn(touches, batch, result)
  if (result.txid === null || expected.size === 0) overlay.drop()
  else await confirm(context, overlay, result.txid, expected)
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
  { sender, order }: CommitContext,
  batch: WriteBatchInput,
  overlay: OptimisticOverlay,
): Promise<WriteResult> {
  try {
    return await order.run(batch.mutations, () => sender.send(batch))
  } catch (error) {
    overlay.drop()
    throw error
  }
}

/**
 * Where the answered write will be seen, and with which rows: not where it changed nothing. Nor did a
 * message that is answered with another id: the server had stored it before.
 */
export function expectedIn(
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

/**
 * Waits until every collection shows the write, then drops the overlay.
 *
 * @throws SessionDbError `sync_timeout`
 */
export async function confirm(
  { syncTimeoutMs }: Pick<CommitContext, 'syncTimeoutMs'>,
  overlay: OptimisticOverlay,
  txid: number,
  expected: ReadonlyMap<SyncStream, ExpectedRow[]>,
): Promise<void> {
  const missing = new Set(expected.keys())
  const giveUp = new AbortController()
  const waits = [...expected].map(async ([source, rows]) => {
    await source.evidence.wait({ txid, rows }, giveUp.signal)
    missing.delete(source)
  })
  const seen = Promise.all(waits).then(() => overlay.drop())
  if (await isDoneWithin(seen, syncTimeoutMs)) return
  // The server has the write: taking its rows away now would show the user a state that is not so.
  void isDoneWithin(seen, syncTimeoutMs * GRACE).then(() => giveUp.abort())
  throw syncTimeout([...missing], txid, syncTimeoutMs)
}
