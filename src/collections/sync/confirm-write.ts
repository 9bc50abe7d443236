import type { MutationInput, WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { Shown } from '../actions/commit-batch.ts'
import type { Touch } from '../optimistic/apply-mutations.ts'
import type { OptimisticOverlay } from '../optimistic/optimistic-overlay.ts'
import { type ExpectedRow, isConfirmed } from './is-confirmed.ts'
import { isDoneWithin, syncTimeout } from './sync-timeout.ts'
import type { SyncStream } from './synced-collection.ts'

/** After a timeout optimistic rows stay this many times longer, in case the stream catches up. */
const GRACE = 6

/**
 * Takes the optimistic rows of an answered write away as soon as every collection that shows it has
 * it from the server.
 *
 * @param syncTimeoutMs how long that may take, in ms
 * @throws SessionDbError `sync_timeout`
 */
export async function confirmWrite(
  { overlay, touches }: Shown,
  batch: WriteBatchInput,
  result: WriteResult,
  syncTimeoutMs: number,
): Promise<void> {
  const expected = expectedIn(touches, batch, result)
  if (result.txid === null || expected.size === 0) overlay.drop()
  else await untilShown(overlay, result.txid, expected, syncTimeoutMs)
}

/**
 * Where the answered write will be seen, and with which rows: not where it changed nothing. Nor did a
 * message that is answered with another id: the server had stored it before.
 */
function expectedIn(
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

async function untilShown(
  overlay: OptimisticOverlay,
  txid: number,
  expected: ReadonlyMap<SyncStream, ExpectedRow[]>,
  syncTimeoutMs: number,
): Promise<void> {
  const missing = new Set(expected.keys())
  const giveUp = new AbortController()
  const waits = [...expected].map(async ([source, rows]) => {
    await source.evidence.wait((seen) => isConfirmed({ txid, rows }, seen), giveUp.signal)
    missing.delete(source)
  })
  const seen = Promise.all(waits).then(() => overlay.drop())
  if (await isDoneWithin(seen, syncTimeoutMs)) return
  // The server has the write: taking its rows away now would show the user a state that is not so.
  void isDoneWithin(seen, syncTimeoutMs * GRACE).then(() => giveUp.abort())
  throw syncTimeout([...missing], txid, syncTimeoutMs)
}
