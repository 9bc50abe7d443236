/** Maps rows to events in a timeline of which only parts are loaded. */
export interface Places {
  readonly count: number
  /** Returns the seq of the event in a row. */
  seqAt(row: number): number
  /** Returns the row of an event, or the next row if the event has none. */
  rowOf(seq: number): number
  has(seq: number): boolean
}

/** Numbers the events in ranges of seqs, [first, end), in order. */
export function placesOf(ranges: readonly (readonly [first: number, end: number])[]): Places {
  let count = 0
  const runs = ranges.map(([first, end]) => {
    const run = { first, end, row: count }
    count += end - first
    return run
  })
  return {
    count,
    seqAt(row) {
      const run = lastOf(runs, (each) => each.row <= row)
      return run ? run.first + row - run.row : 0
    },
    rowOf(seq) {
      const run = lastOf(runs, (each) => each.first <= seq)
      return run ? run.row + Math.min(seq, run.end) - run.first : 0
    },
    has: (seq) => seq < (lastOf(runs, (each) => each.first <= seq)?.end ?? 0),
  }
}

/** Returns the last entry that meets a condition which all entries before it meet too. */
function lastOf<Entry>(
  entries: readonly Entry[],
  holds: (entry: Entry) => boolean,
): Entry | undefined {
  let [low, high] = [0, entries.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(entries[middle] as Entry)) low = middle + 1
    else high = middle
  }
  return entries[low - 1]
}
