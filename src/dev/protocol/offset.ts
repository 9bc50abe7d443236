/** A place in a shape's log: transaction part (0 for the snapshot, else an LSN) and position in it. */
export interface LogOffset {
  readonly tx: bigint
  /** `Infinity` is written `inf`. */
  readonly op: number
}

/** What a client may ask for: a place in the log, everything (`-1`) or nothing yet (`now`). */
export type RequestedOffset = 'before-all' | 'now' | LogOffset

/** The place after the whole snapshot and before every change: `0_inf`. */
export const afterSnapshot: LogOffset = { tx: 0n, op: Number.POSITIVE_INFINITY }

const pattern = /^(\d+)_(\d+|inf)$/

/**
 * Reads an `offset` query parameter.
 *
 * @param text - `-1`, `now`, or `<transaction>_<position>`.
 * @returns the offset, or undefined where the text is none.
 * @example
 * parseOffset('26741032_4') // { tx: 26741032n, op: 4 }
 */
export function parseOffset(text: string): RequestedOffset | undefined {
  if (text === '-1') return 'before-all'
  if (text === 'now') return 'now'
  const match = pattern.exec(text)
  if (!match) return undefined
  const [, tx = '0', op = '0'] = match
  return { tx: BigInt(tx), op: op === 'inf' ? Number.POSITIVE_INFINITY : Number(op) }
}

/**
 * Writes an offset as it stands in headers and queries.
 *
 * @example
 * formatOffset({ tx: 0n, op: Infinity }) // '0_inf'
 */
export function formatOffset(offset: RequestedOffset): string {
  if (offset === 'before-all') return '-1'
  if (offset === 'now') return 'now'
  return `${offset.tx}_${offset.op === Number.POSITIVE_INFINITY ? 'inf' : offset.op}`
}

/**
 * Orders two offsets: negative when `a` comes first.
 *
 * @example
 * compareOffsets({ tx: 0n, op: 1 }, { tx: 7n, op: 0 }) // -1
 */
export function compareOffsets(a: LogOffset, b: LogOffset): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1
  return a.op === b.op ? 0 : a.op < b.op ? -1 : 1
}

/**
 * The offset of a message that belongs to no row change, directly after `offset`.
 * After the snapshot (`0_inf`) that is `1_0`, which lies before every LSN.
 *
 * @example
 * nextOffset({ tx: 0n, op: Infinity }) // { tx: 1n, op: 0 }
 */
export function nextOffset(offset: LogOffset): LogOffset {
  return offset.op === Number.POSITIVE_INFINITY
    ? { tx: offset.tx + 1n, op: 0 }
    : { tx: offset.tx, op: offset.op + 1 }
}
