import type { Shown, StreamMessage } from './sync-evidence.ts'

/** A row as an answered write left it: seen in the stream once its version is at least this. */
export interface ExpectedRow {
  readonly id: string
  /** 0 for a row without versions: then it is enough that it is there. */
  readonly version: number
}

/** What one write should become visible as, in one collection. */
export interface ExpectedWrite {
  /** 32-bit transaction id. */
  readonly txid: number
  /** Rows the write left in this collection; empty when it only deleted or touched by trigger. */
  readonly rows: readonly ExpectedRow[]
}

interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
  readonly xip: readonly bigint[]
}

/**
 * Whether a stream has shown a write: by its txid in the log, by a full snapshot taken after it, or
 * by its rows in their new version (rows that move into a shape carry no txid). Transaction ids
 * compare modulo 2^32 and snapshots epoch-aware, so nothing is confirmed early after a wraparound.
 */
export function isConfirmed(
  { txid, rows }: ExpectedWrite,
  { txids, versions, snapshot }: Shown,
): boolean {
  if (txids.has(txid)) return true
  if (snapshot !== undefined && isVisible(txid, snapshotOf(snapshot))) return true
  return rows.length > 0 && rows.every(({ id, version }) => (versions.get(id) ?? -1) >= version)
}

function snapshotOf(headers: StreamMessage['headers']): Snapshot {
  const xip = Array.isArray(headers.xip_list) ? headers.xip_list : []
  return { xmin: toBigInt(headers.xmin), xmax: toBigInt(headers.xmax), xip: xip.map(toBigInt) }
}

function toBigInt(value: unknown): bigint {
  return BigInt(value as string | number)
}

/** A snapshot counts in 64 bits, a txid in 32: take the epoch that is nearest to the snapshot. */
function isVisible(txid: number, { xmin, xmax, xip }: Snapshot): boolean {
  const xid = xmax + BigInt.asIntN(32, BigInt(txid) - xmax)
  return xid < xmin || (xid < xmax && !xip.includes(xid))
}
