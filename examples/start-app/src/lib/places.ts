/** The rows of a timeline of which only some are loaded: which event is on which row. */
export interface Places {
  readonly count: number
  /** The seq of the event on a row. */
  seqAt(row: number): number
  /** The row of an event, or of the next one when the event itself has none. */
  rowOf(seq: number): number
  has(seq: number): boolean
}

/** Numbers the events of ranges of seqs, [first, end), in their order. */
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

/** The last entry for which a condition holds that holds for all entries before it, too. */
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
