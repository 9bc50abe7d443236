import type { SyncStatusStore, TimelineEvent } from '@org/session-db'
import type { TimelineFacets } from '@org/session-db/server'

/** What a list of events shows, wherever its rows come from. */
export interface TimelineSource {
  /** Rows there are, loaded or not. */
  readonly count: number
  /** The event of a row; undefined while it is not loaded. */
  eventAt(row: number): TimelineEvent | undefined
  /** The row of an event, or of the next one when the filter leaves the event out. */
  rowOf(seq: number): number
  /** The first event that is not before a point in time; undefined when all are. */
  seqAtTime(time: Date): Promise<number | undefined>
  /** Says which rows are on the screen. */
  show(firstRow: number, lastRow: number): void
  /** Results of tool calls, by the id of their call. */
  readonly results: ReadonlyMap<string, readonly TimelineEvent[]>
  /** Whether a result is shown with its call, and not on a row of its own. */
  isFolded(event: TimelineEvent): boolean
  readonly facets: TimelineFacets
  readonly isReady: boolean
  /** How its own streams are doing; the header looks after those of a timeline loaded as a whole. */
  readonly status?: SyncStatusStore
  readonly failure: string | null
}

/** Groups the results by the call they belong to. */
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
