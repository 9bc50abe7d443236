import { afterSnapshot, compareOffsets, type LogOffset } from './offset.ts'
import type { PageLoan } from './snapshot-pages.ts'

/** One message of the log, already in its wire form. */
export interface LogEntry {
  readonly offset: LogOffset
  readonly json: string
}

/** What one request gets: messages as JSON texts, and where they end. */
export interface LogPage {
  readonly messages: readonly string[]
  /** The same as the bytes of a whole answer, where the log has them so: pages of a snapshot. */
  lend?(): PageLoan
  readonly end: LogOffset
  /** Whether the page reaches the end of the log. */
  readonly complete: boolean
}

/** What happened to the rows of a shape since its snapshot, in commit order. */
export interface ChangeLog {
  /** The offset of the last message, `0_inf` before the first change. */
  readonly lastOffset: LogOffset
  /** Characters, and what an entry takes beside its text. */
  readonly size: number
  append(entries: readonly LogEntry[]): void
  read(after: LogOffset): LogPage
}

interface StoredEntry extends LogEntry {
  readonly endsChunk: boolean
}

/** What an entry takes beside its text, roughly. */
const entryOverhead = 150

/**
 * Creates an empty log of changes.
 *
 * @param chunkBytes - a page ends with the message that reaches this size.
 * @example
 * const changes = createChangeLog(10_485_760)
 * changes.append([{ offset: { tx: 7n, op: 0 }, json: '{"key":"1"}' }])
 * changes.read(afterSnapshot).messages // ['{"key":"1"}']
 */
export function createChangeLog(chunkBytes: number): ChangeLog {
  const entries: StoredEntry[] = []
  let size = 0
  let openChunkSize = 0
  return {
    get lastOffset() {
      return entries.at(-1)?.offset ?? afterSnapshot
    },
    get size() {
      return size
    },
    append(added) {
      for (const entry of added) {
        openChunkSize += entry.json.length
        size += entry.json.length + entryOverhead
        const endsChunk = openChunkSize >= chunkBytes
        if (endsChunk) openChunkSize = 0
        entries.push({ ...entry, endsChunk })
      }
    },
    read(after) {
      const start = firstAfter(entries, after)
      let stop = start
      while (stop < entries.length && !entries[stop]?.endsChunk) stop += 1
      const page = entries.slice(start, stop + 1)
      const nowhere = compareOffsets(after, afterSnapshot) < 0 ? afterSnapshot : after
      return {
        messages: page.map((entry) => entry.json),
        end: page.at(-1)?.offset ?? nowhere,
        complete: start + page.length >= entries.length,
      }
    },
  }
}

/** Index of the first entry after `offset`, by binary search: logs grow to many thousands. */
function firstAfter(entries: readonly StoredEntry[], offset: LogOffset): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle] as StoredEntry
    if (compareOffsets(entry.offset, offset) > 0) high = middle
    else low = middle + 1
  }
  return low
}
