import {
  buildConversation,
  type Session,
  type TimelineEvent,
  type TimelineFilter,
  timelineQuery,
} from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { useMemo } from 'react'
import { useSessionDb } from '#/components/session-db'
import {
  bySeqOf,
  isInRow,
  resultsByCall,
  type TimelineLook,
  type TimelineSource,
} from './timeline-source'

/** A timeline that is loaded as a whole and filtered in the browser: fully live. */
export function useShortTimeline(
  session: Session,
  filter: TimelineFilter | undefined,
  look: TimelineLook,
): TimelineSource {
  const { db } = useSessionDb()
  const { timeline } = db.session(session.id)
  const { data: events, isReady } = useLiveQuery({ query: timelineQuery(timeline, filter) })
  const { data: all } = useLiveQuery({ query: timelineQuery(timeline) })
  const facets = useMemo(() => countFacets(all), [all])
  return useMemo(() => {
    const seqAtTime = async (time: Date) =>
      events.find(({ occurredAt }) => occurredAt !== null && occurredAt >= time)?.seq
    const conversation = look === 'conversation' ? buildConversation(events) : []
    if (conversation.length > 0) {
      return {
        count: conversation.length,
        eventAt: (row) => conversation[row]?.event,
        seqOf: (row) => conversation[row]?.event.seq,
        conversation: bySeqOf(conversation),
        rowOf(seq) {
          const row = conversation.findIndex((each) => isInRow(each, seq))
          return row >= 0 ? row : conversation.findIndex(({ event }) => event.seq >= seq)
        },
        seqAtTime,
        show() {},
        results: new Map(),
        isFolded: () => false,
        facets,
        isReady,
        failure: null,
      }
    }
    const results = resultsByCall(events)
    const ids = new Set(events.map(({ id }) => id))
    const isFolded = ({ kind, parentId }: TimelineEvent) =>
      kind === 'tool_result' && parentId !== null && ids.has(parentId)
    const rows = events.filter((event) => !isFolded(event))
    return {
      count: rows.length,
      eventAt: (row) => rows[row],
      seqOf: (row) => rows[row]?.seq,
      conversation: null,
      rowOf(seq) {
        const event = events.find((other) => other.seq >= seq)
        const shown = event && isFolded(event) ? event.parentId : event?.id
        return Math.max(
          0,
          rows.findIndex(({ id }) => id === shown),
        )
      },
      seqAtTime,
      show() {},
      results,
      isFolded,
      facets,
      isReady,
      failure: null,
    }
  }, [events, facets, isReady, look])
}

function countFacets(events: readonly TimelineEvent[]): TimelineSource['facets'] {
  const count = <Value extends string>(values: (Value | null)[]) => {
    const counts = new Map<Value, number>()
    for (const value of values) {
      if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1)
    }
    return [...counts]
      .map(([value, count]) => ({ value, count }))
      .sort((one, other) => other.count - one.count)
  }
  return {
    kinds: count(events.map(({ kind }) => kind)),
    roles: count(events.map(({ role }) => role)),
    tools: count(events.map(({ toolName }) => toolName)),
  }
}
