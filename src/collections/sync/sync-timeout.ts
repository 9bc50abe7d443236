import { SessionDbError } from '../../errors.ts'
import { isConfirmed } from './is-confirmed.ts'
import type { SyncStream } from './synced-collection.ts'

/** Transaction ids that an error tells of. */
const REPORTED = 10

/** Whether the promise resolves within this time. */
export async function isDoneWithin(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const done = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return done
}

/** The error of a write that the server has and these streams do not show. */
export function syncTimeout(
  missing: readonly SyncStream[],
  txid: number,
  syncTimeoutMs: number,
): SessionDbError {
  const waitingFor = missing.map(({ collectionId, shape, evidence, status }) => ({
    collection: collectionId,
    shape,
    recentTxids: [...evidence.shown.txids.keys()].slice(-REPORTED),
    streamError: status.get().lastError?.message ?? null,
  }))
  const names = waitingFor.map(({ shape }) => shape).join(', ')
  return new SessionDbError(
    'sync_timeout',
    `The server stored the write, but ${names} did not show transaction ${txid} within ${syncTimeoutMs} ms. ` +
      'Do not send it again: it will appear. Check that the stream is up (status of the collection), ' +
      'that the proxy does not buffer, and that the shape server follows this database.',
    { details: { txid, waitingFor } },
  )
}

/**
 * Waits until a stream has shown a transaction of the app's own.
 *
 * @throws SessionDbError `sync_timeout` when it does not within `timeoutMs`.
 */
export async function confirmTxid(
  source: SyncStream,
  txid: number,
  timeoutMs: number,
): Promise<void> {
  const giveUp = new AbortController()
  const seen = source.evidence.wait(
    (shown) => isConfirmed({ txid, rows: [] }, shown),
    giveUp.signal,
  )
  if (await isDoneWithin(seen, timeoutMs)) return
  giveUp.abort()
  throw syncTimeout([source], txid, timeoutMs)
}
