import { SessionDbError } from '../../errors.ts'
import type { Shown, StreamMessage } from './sync-evidence.ts'
import type { SyncStream } from './sync-stream.ts'

/** A row as an answered write left it: seen in the stream once its version is at least this. */
export interface ExpectedRow {
  readonly id: string
  /** 0 for a row without versions, which is confirmed by its presence. */
  readonly version: number
}

/** The changes that one write should cause in one collection. */
export interface ExpectedWrite {
  /** 32-bit transaction id. */
  readonly txid: number
  /** Rows the write left in this collection; empty for deletes and for rows changed by a trigger. */
  readonly rows: readonly ExpectedRow[]
}

/**
 * Waits until every stream shows an answered write, then calls `onShown`.
 *
 * @param expected the rows to see, by stream
 * @throws SessionDbError `sync_timeout` after `timeoutMs`. The wait then goes on for `graceMs`, since the
 *   server has the write: `onShown` is called when the streams have caught up, or at its end.
 */
export async function untilShown(
  txid: number,
  expected: ReadonlyMap<SyncStream, readonly ExpectedRow[]>,
  times: { readonly timeoutMs: number; readonly graceMs: number },
  onShown: () => void,
): Promise<void> {
  const missing = new Set(expected.keys())
  const giveUp = new AbortController()
  const waits = [...expected].map(async ([stream, rows]) => {
    await stream.evidence.wait((shown) => isConfirmed({ txid, rows }, shown), giveUp.signal)
    missing.delete(stream)
  })
  const seen = Promise.all(waits).then(onShown)
  if (await isDoneWithin(seen, times.timeoutMs)) return
  void isDoneWithin(seen, times.graceMs).then(() => giveUp.abort())
  throw syncTimeout([...missing], txid, times.timeoutMs)
}

/**
 * Checks whether a stream has shown a write: by its txid in the log, by a full snapshot taken after
 * it, or by its rows in their new version (rows that move into a shape carry no txid). Transaction
 * ids compare modulo 2^32 and snapshots epoch-aware, so a wraparound confirms nothing early.
 */
export function isConfirmed(
  { txid, rows }: ExpectedWrite,
  { txids, versions, snapshot }: Shown,
): boolean {
  if (txids.has(txid)) return true
  if (snapshot !== undefined && isVisible(txid, snapshotOf(snapshot))) return true
  return rows.length > 0 && rows.every(({ id, version }) => (versions.get(id) ?? -1) >= version)
}

interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly xip: readonly bigint[]
}

function snapshotOf(headers: StreamMessage['headers']): Snapshot {
  const xip = Array.isArray(headers.xip_list) ? headers.xip_list : []
  return { xmin: toBigInt(headers.xmin), xmax: toBigInt(headers.xmax), xip: xip.map(toBigInt) }
}

function toBigInt(value: unknown): bigint {
  return BigInt(value as string | number)
}

/** A snapshot counts in 64 bits, a txid in 32: the txid belongs to the epoch nearest to the snapshot. */
function isVisible(txid: number, { xmin, xmax, xip }: Snapshot): boolean {
  const xid = xmax + BigInt.asIntN(32, BigInt(txid) - xmax)
  return xid < xmin || (xid < xmax && !xip.includes(xid))
}

async function isDoneWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const done = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return done
}

/** Most transaction ids that an error lists per stream. */
const MAX_REPORTED_TXIDS = 10

function syncTimeout(
  missing: readonly SyncStream[],
  txid: number,
  timeoutMs: number,
): SessionDbError {
  const waitingFor = missing.map(({ collectionId, shape, evidence, status }) => ({
    collection: collectionId,
    shape,
    recentTxids: [...evidence.shown.txids.keys()].slice(-MAX_REPORTED_TXIDS),
    streamError: status.get().lastError?.message ?? null,
  }))
  const names = waitingFor.map(({ shape }) => shape).join(', ')
  return new SessionDbError(
    'sync_timeout',
    `The server stored the write, but ${names} did not show transaction ${txid} within ${timeoutMs} ms. ` +
      'Do not send it again: it will appear. Check that the stream is up (status of the collection), ' +
      'that the proxy does not buffer, and that the shape server follows this database.',
    { details: { txid, waitingFor } },
  )
}
