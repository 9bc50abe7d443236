/** A position in a shape's log: transaction (0 for the snapshot, else an LSN) and position in it. */
export interface LogOffset {
  readonly tx: bigint
  /** `Infinity` is written `inf`. */
  readonly op: number
}

/** The offset of a request: a position in the log, everything (`-1`), or only what comes later (`now`). */
export type RequestedOffset = 'before-all' | 'now' | LogOffset

/** The position after the whole snapshot and before every change: `0_inf`. */
export const AFTER_SNAPSHOT: LogOffset = { tx: 0n, op: Number.POSITIVE_INFINITY }

/**
 * Parses an `offset` query parameter; returns undefined for any other text.
 *
 * @param text `-1`, `now`, or `<transaction>_<position>`
 * @example
 * parseOffset('26741032_4') // { tx: 26741032n, op: 4 }
 */
export function parseOffset(text: string): RequestedOffset | undefined {
  if (text === '-1') return 'before-all'
  if (text === 'now') return 'now'
  const match = /^(\d+)_(\d+|inf)$/.exec(text)
  if (!match) return undefined
  const [, tx = '0', op = '0'] = match
  return { tx: BigInt(tx), op: op === 'inf' ? Number.POSITIVE_INFINITY : Number(op) }
}

/**
 * Formats an offset for headers and queries.
 *
 * @example
 * formatOffset({ tx: 0n, op: Infinity }) // '0_inf'
 */
export function formatOffset(offset: RequestedOffset): string {
  if (offset === 'before-all') return '-1'
  if (offset === 'now') return 'now'
  return `${offset.tx}_${offset.op === Number.POSITIVE_INFINITY ? 'inf' : offset.op}`
}

/** Compares two offsets; negative when `a` comes first. */
export function compareOffsets(a: LogOffset, b: LogOffset): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1
  return a.op === b.op ? 0 : a.op < b.op ? -1 : 1
}

/**
 * Returns the offset directly after `offset`, for a message that belongs to no row change.
 * After the snapshot (`0_inf`) that is `1_0`, which lies before every LSN.
 */
export function nextOffset(offset: LogOffset): LogOffset {
  return offset.op === Number.POSITIVE_INFINITY
    ? { tx: offset.tx + 1n, op: 0 }
    : { tx: offset.tx, op: offset.op + 1 }
}
