/** Lines for COPY, sorted by thread and position. */
export interface SortedLines {
  readonly count: number
  /** Whether another line of that many characters may be too much. */
  isFullFor(characters: number): boolean
  add(thread: number, position: number, line: string): void
  /** Takes all lines. The bytes are good until the time after the next. */
  take(): Buffer
}

interface Place {
  readonly thread: number
  readonly position: number
  readonly start: number
  readonly end: number
}

const MAX_BYTES_PER_CHARACTER = 3

/**
 * Collects lines as bytes: as strings they would outlive the young generation, and to collect them
 * then costs more than all that is done with them.
 *
 * @param capacity in bytes; for a single line that is longer it becomes as large as needed.
 */
export function createSortedLines(capacity: number): SortedLines {
  let lines = Buffer.allocUnsafeSlow(capacity)
  let sorted = Buffer.allocUnsafeSlow(capacity)
  let taken = Buffer.allocUnsafeSlow(capacity)
  let used = 0
  let places: Place[] = []
  return {
    get count() {
      return places.length
    },
    isFullFor: (characters) =>
      used > 0 && used + characters * MAX_BYTES_PER_CHARACTER > lines.length,
    add(thread, position, line) {
      const most = used + line.length * MAX_BYTES_PER_CHARACTER
      if (most > lines.length) lines = Buffer.concat([lines.subarray(0, used)], most)
      const start = used
      used += lines.write(line, used)
      places.push({ thread, position, start, end: used })
    },
    take() {
      ;[sorted, taken] = [taken, sorted]
      if (sorted.length < used) sorted = Buffer.allocUnsafeSlow(used)
      let at = 0
      places.sort((a, b) => a.thread - b.thread || a.position - b.position)
      for (const { start, end } of places) at += lines.copy(sorted, at, start, end)
      used = 0
      places = []
      return sorted.subarray(0, at)
    },
  }
}
