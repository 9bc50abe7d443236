/** A Postgres snapshot (`pg_current_snapshot()`): the transactions that a query saw. */
export interface SnapshotBounds {
  /** All transactions below it had ended. */
  readonly xmin: bigint
  /** No transaction from it on had ended. */
  readonly xmax: bigint
  /** Transactions between the two that were still running. */
  readonly xip: ReadonlySet<bigint>
}

/**
 * Parses the text of a `pg_snapshot`.
 *
 * @param text `xmin:xmax:xip,xip,…` with 64-bit transaction ids
 * @throws Error when the text is not a snapshot
 * @example
 * parseSnapshot('10:20:10,14').xip.has(14n) // true
 */
export function parseSnapshot(text: string): SnapshotBounds {
  const [xmin, xmax, running] = text.split(':')
  if (xmin === undefined || xmax === undefined || running === undefined) {
    throw new Error(`"${text}" is not a pg_snapshot: expected xmin:xmax:xip_list`)
  }
  return {
    xmin: BigInt(xmin),
    xmax: BigInt(xmax),
    xip: new Set(running === '' ? [] : running.split(',').map(BigInt)),
  }
}

/**
 * Returns whether a snapshot contained the effects of a committed transaction.
 *
 * @param xid the low 32 bits of the transaction id, as logical replication sends it
 * @example
 * isVisible(parseSnapshot('10:20:14'), 14) // false: it was still running
 */
export function isVisible(snapshot: SnapshotBounds, xid: number): boolean {
  const full = widen(snapshot, xid)
  if (full < snapshot.xmin) return true
  return full < snapshot.xmax && !snapshot.xip.has(full)
}

/** Returns the 64-bit id nearest to the snapshot. Transactions within 2^31 of it are unambiguous. */
function widen(snapshot: SnapshotBounds, xid: number): bigint {
  const epoch = 1n << 32n
  const candidate = (snapshot.xmax & ~(epoch - 1n)) + BigInt(xid)
  const distance = candidate - snapshot.xmax
  if (distance > epoch / 2n) return candidate - epoch
  if (distance < -(epoch / 2n)) return candidate + epoch
  return candidate
}

/** Serialises the `snapshot-end` control message. */
export function snapshotEndMessage(snapshot: SnapshotBounds): string {
  return JSON.stringify({
    headers: { control: 'snapshot-end', ...snapshotFields(snapshot) },
  })
}

/** Returns the bounds as the wire has them: decimal texts. */
export function snapshotFields(snapshot: SnapshotBounds) {
  return {
    xmin: String(snapshot.xmin),
    xmax: String(snapshot.xmax),
    xip_list: [...snapshot.xip].map(String),
  }
}
