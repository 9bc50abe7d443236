/** A Postgres snapshot (`pg_current_snapshot()`): which transactions a query saw. */
export interface SnapshotBounds {
  /** Every transaction below it was over. */
  readonly xmin: bigint
  /** No transaction from it on had begun to be over. */
  readonly xmax: bigint
  /** Those between the two that were still running. */
  readonly xip: ReadonlySet<bigint>
}

/**
 * Reads the text of a `pg_snapshot`.
 *
 * @param text - `xmin:xmax:xip,xip,…`, with 64-bit transaction ids.
 * @throws when the text is no snapshot.
 * @example
 * parseSnapshot('10:20:10,14').xip.has(14n) // true
 */
export function parseSnapshot(text: string): SnapshotBounds {
  const [xmin, xmax, running] = text.split(':')
  if (xmin === undefined || xmax === undefined || running === undefined) {
    throw new Error(`"${text}" is no pg_snapshot: expected xmin:xmax:xip_list`)
  }
  return {
    xmin: BigInt(xmin),
    xmax: BigInt(xmax),
    xip: new Set(running === '' ? [] : running.split(',').map(BigInt)),
  }
}

/**
 * Whether the effects of a committed transaction were in a snapshot.
 *
 * @param xid - as logical replication sends it: the low 32 bits.
 * @example
 * isVisible(parseSnapshot('10:20:14'), 14) // false: it was still running
 */
export function isVisible(snapshot: SnapshotBounds, xid: number): boolean {
  const full = widen(snapshot, xid)
  if (full < snapshot.xmin) return true
  return full < snapshot.xmax && !snapshot.xip.has(full)
}

/** The 64-bit id nearest to the snapshot: a stream knows no epoch, and 2^31 transactions lie between. */
function widen(snapshot: SnapshotBounds, xid: number): bigint {
  const epoch = 1n << 32n
  const candidate = (snapshot.xmax & ~(epoch - 1n)) + BigInt(xid)
  const distance = candidate - snapshot.xmax
  if (distance > epoch / 2n) return candidate - epoch
  if (distance < -(epoch / 2n)) return candidate + epoch
  return candidate
}

/**
 * The `snapshot-end` control message.
 *
 * @example
 * snapshotEndMessage(parseSnapshot('10:10:'))
 */
export function snapshotEndMessage(snapshot: SnapshotBounds): string {
  return JSON.stringify({
    headers: { control: 'snapshot-end', ...snapshotFields(snapshot) },
  })
}

/** The bounds as the wire has them: decimal texts. */
export function snapshotFields(snapshot: SnapshotBounds) {
  return {
    xmin: String(snapshot.xmin),
    xmax: String(snapshot.xmax),
    xip_list: [...snapshot.xip].map(String),
  }
}
