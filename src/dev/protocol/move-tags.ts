import { md5 } from './md5.ts'

/** Which values a row has at the positions of a where clause, and whether each condition holds. */
export interface RowTags {
  /** One per disjunct: the positions joined by `/`; `1` a plain condition, empty where it has no part. */
  readonly tags: readonly string[]
  /** One per position. */
  readonly active: readonly boolean[]
}

/** A value at a position that has become, or ceased to be, a member of its subquery. */
export interface MovePattern {
  readonly pos: number
  readonly value: string
}

/**
 * Names a subquery value for one shape without telling it: md5 over handle and value.
 *
 * @param values - the text of each compared column, null where it is null.
 * @example
 * tagValue('123-456', ['s1']) // 32 hex digits
 */
export function tagValue(handle: string, values: readonly (string | null)[]): string {
  const named = values.map((value) => (value === null ? 'NULL' : `v:${value}`))
  return md5(`${handle}${named.length === 1 ? named[0] : JSON.stringify(named)}`)
}

/**
 * The event that turns conditions of rows on (`move-in`) or off (`move-out`).
 *
 * @param txid - the transaction that changed the subquery's table.
 * @example
 * moveEventMessage('move-out', [{ pos: 2, value: '…' }], 1234)
 */
export function moveEventMessage(
  event: 'move-in' | 'move-out',
  patterns: readonly MovePattern[],
  txid: number,
): string {
  return JSON.stringify({ headers: { event, patterns, txids: [txid] } })
}
