import type { ConversationRow, SyncStatusStore, TimelineEvent } from '@org/session-db'
import type { TimelineFacets } from '@org/session-db/server'

/** The interface of a list of events to its data, whatever loads it. */
export interface TimelineSource {
  /** Number of rows, loaded or not. */
  readonly count: number
  /** Returns the event of a row, or undefined if it is not loaded. */
  eventAt(row: number): TimelineEvent | undefined
  /** Returns the seq of a row's event, loaded or not. */
  seqOf(row: number): number | undefined
  /** Rows of the conversation by the seq of their event; null if each event is a row. */
  readonly conversation: ReadonlyMap<number, ConversationRow> | null
  /** Returns the row of an event, or a near one if it has none. */
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
  /** False until the rows of the view and filter are known. */
  readonly isReady: boolean
  /** The status of its own streams. The header covers those of a timeline loaded as a whole. */
  readonly status?: SyncStatusStore
  readonly failure: string | null
}

/** How a timeline is shown. With a filter, it is a list of events. */
export type TimelineLook = 'conversation' | 'events'

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

/** Rows of a conversation by the seq of their event. */
export function bySeqOf(rows: readonly ConversationRow[]): Map<number, ConversationRow> {
  return new Map(rows.map((row) => [row.event.seq, row]))
}

/** True if an event is shown in a row: its own, a result, a set-up event, or one of a sub-agent. */
export function isInRow(row: ConversationRow, seq: number): boolean {
  const has = (events: readonly TimelineEvent[]) => events.some((event) => event.seq === seq)
  return (
    row.event.seq === seq ||
    has(row.results) ||
    has(row.changes) ||
    has(row.before) ||
    has(row.turn?.folded ?? []) ||
    row.agent.some((nested) => isInRow(nested, seq))
  )
}
