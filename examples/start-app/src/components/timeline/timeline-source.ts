import type { SyncStatusStore, TimelineEvent } from '@org/session-db'
import type { TimelineFacets } from '@org/session-db/server'

/** The interface of a list of events to its data, whatever loads it. */
export interface TimelineSource {
  /** Number of rows, loaded or not. */
  readonly count: number
  /** Returns the event of a row, or undefined if it is not loaded. */
  eventAt(row: number): TimelineEvent | undefined
  /** Returns the row of an event, or the next row if the filter hides the event. */
  rowOf(seq: number): number
  /** Returns the first event at or after a point in time, or undefined if there is none. */
  seqAtTime(time: Date): Promise<number | undefined>
  /** Reports the visible rows. */
  show(firstRow: number, lastRow: number): void
  /** Results of tool calls by the id of their call. */
  readonly results: ReadonlyMap<string, readonly TimelineEvent[]>
  /** True if a result is shown with its call instead of in its own row. */
  isFolded(event: TimelineEvent): boolean
  readonly facets: TimelineFacets
  readonly isReady: boolean
  /** The status of its own streams. The header covers those of a timeline loaded as a whole. */
  readonly status?: SyncStatusStore
  readonly failure: string | null
}

/** Groups the results by their call. */
export function resultsByCall(events: Iterable<TimelineEvent>): Map<string, TimelineEvent[]> {
  const results = new Map<string, TimelineEvent[]>()
  for (const event of events) {
    if (event.kind !== 'tool_result' || event.parentId === null) continue
    const known = results.get(event.parentId)
    if (known) known.push(event)
    else results.set(event.parentId, [event])
  }
  return results
}
