import {
  buildConversation,
  type Session,
  type TimelineEvent,
  type TimelineFilter,
  timelineView,
} from '@org/session-db'
import type { TimelineFacets } from '@org/session-db/server'
import { useLiveQuery } from '@tanstack/react-db'
import {
  type ReactNode,
  useCallback,
  useEffect,
  useEffectEvent,
  useMemo,
  useRef,
  useState,
} from 'react'
import { useSessionDb } from '#/components/session-db'
import { type Places, placesOf } from '#/lib/places'
import { outlineTimeline, timelineFacets } from '#/server/search.functions'
import { bySeqOf, resultsByCall, type TimelineLook, type TimelineSource } from './timeline-source'

/** Events per window. */
const WINDOW_SIZE = 250
/** Windows that stay loaded. With a filter, each visible row can be in another one. */
const MAX_WINDOWS = { all: 10, filtered: 40 }
/** Interval of requests for windows while the user scrolls, in ms. */
const LOAD_EVERY_MS = 80
/** Rows that pass faster than this are not loaded: they would be gone before they arrive. */
const PASSED_UNREAD = WINDOW_SIZE / 2
/** Rows loaded before and after the viewport, so that a reader meets no gap. */
const ROWS_AROUND = 60

const noFacets: TimelineFacets = { kinds: [], roles: [], tools: [] }

interface LongTimelineProps {
  session: Session
  filter: TimelineFilter | undefined
  look: TimelineLook
  show: (source: TimelineSource) => ReactNode
}

/** Shows the source of a long timeline. As a component it is only loaded for long sessions. */
export default function LongTimeline({ session, filter, look, show }: LongTimelineProps) {
  return show(useLongTimeline(session, filter, look))
}

/**
 * A timeline of any length: loads windows around the viewport, and asks the server which events
 * match the filter.
 */
function useLongTimeline(
  session: Session,
  filter: TimelineFilter | undefined,
  look: TimelineLook,
): TimelineSource {
  const { db } = useSessionDb()
  const { id: sessionId, eventCount } = session
  const maxWindows = filter === undefined ? MAX_WINDOWS.all : MAX_WINDOWS.filtered
  const view = useMemo(
    () => timelineView(db, sessionId, { windowSize: WINDOW_SIZE, maxWindows }),
    [db, sessionId, maxWindows],
  )
  useEffect(() => () => void view.close(), [view])
  const { data } = useLiveQuery(view.events)
  const { places, facets, isReady, isConversation, failure, setFailure } = useOutline(
    sessionId,
    eventCount,
    filter,
    look,
  )

  const loadRows = useCallback(
    (first: number, last: number) => {
      // With a filter, adjacent rows can be in different windows.
      const around = filter === undefined ? ROWS_AROUND : 0
      const rows = [Math.max(0, first - around), last + around] as const
      load(view, places, rows).catch((error: Error) => setFailure(error.message))
    },
    [view, places, filter, setFailure],
  )
  const show = useLoadWhatIsRead(loadRows)

  return useMemo(() => {
    const bySeq = new Map<number, TimelineEvent>()
    const calls = new Map<string, number>()
    for (const event of data) {
      bySeq.set(event.seq, event)
      if (event.kind === 'tool_call') calls.set(event.id, event.seq)
    }
    return {
      count: places.count,
      eventAt: (row) => bySeq.get(places.seqAt(row)),
      conversation: isConversation
        ? bySeqOf(buildConversation(inOrder(data), { eventCount }))
        : null,
      seqOf: places.seqAt,
      // A result is shown with its call, which is before it.
      rowOf: (seq) => Math.max(0, places.rowOf(seq) - (isConversation && !places.has(seq) ? 1 : 0)),
      async seqAtTime(from) {
        const conversation = isConversation && { conversation: true }
        const request = { ...filter, ...conversation, sessionId, from, limit: 1 }
        return (await outlineTimeline({ data: request })).ranges[0]?.[0]
      },
      show,
      results: resultsByCall(data),
      isFolded({ kind, parentId }) {
        const call = kind === 'tool_result' && parentId !== null ? calls.get(parentId) : undefined
        return call !== undefined && places.has(call)
      },
      facets,
      isReady,
      status: view.status,
      failure,
    }
  }, [
    data,
    places,
    facets,
    failure,
    filter,
    sessionId,
    show,
    view,
    isReady,
    isConversation,
    eventCount,
  ])
}

/** Windows arrive in any order. */
const inOrder = (events: readonly TimelineEvent[]) =>
  events.toSorted((one, other) => one.seq - other.seq)

/** Calls `loadRows` while the user scrolls, except for rows that pass quickly. */
function useLoadWhatIsRead(loadRows: (first: number, last: number) => void) {
  const shown = useRef<readonly [first: number, last: number]>([0, 0])
  const passed = useRef(0)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const look = useEffectEvent(() => {
    const [first, last] = shown.current
    const isRead = Math.abs(first - passed.current) <= PASSED_UNREAD
    passed.current = first
    timer.current = isRead ? undefined : setTimeout(look, LOAD_EVERY_MS)
    if (isRead) loadRows(first, last)
  })
  useEffect(
    () => () => {
      clearTimeout(timer.current)
      timer.current = undefined
    },
    [],
  )
  // Rows of another filter are requested again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `show` is another one then
  return useCallback(
    (first: number, last: number) => {
      shown.current = [first, last]
      timer.current ??= setTimeout(look, LOAD_EVERY_MS)
    },
    [loadRows],
  )
}

/** Loads the windows of the visible rows: few, or one per row with a rare filter. */
async function load(
  view: { show(fromSeq: number, toSeq: number): Promise<void> },
  places: Places,
  [first, last]: readonly [number, number],
): Promise<void> {
  const windows = new Set<number>()
  for (let row = first; row <= Math.min(last, places.count - 1); row += 1) {
    windows.add(Math.floor(places.seqAt(row) / WINDOW_SIZE))
  }
  const starts = [...windows].map((index) => index * WINDOW_SIZE)
  await Promise.all(starts.map((seq) => view.show(seq, seq + 1)))
}

/** The positions of the rows, and the available filter values. */
function useOutline(
  sessionId: string,
  eventCount: number,
  filter: TimelineFilter | undefined,
  look: TimelineLook,
) {
  const all = useMemo(() => placesOf([[0, eventCount]]), [eventCount])
  const request = useMemo(
    () => (filter === undefined && look === 'conversation' ? { conversation: true } : filter),
    [filter, look],
  )
  const [answer, setAnswer] = useState<{ request: typeof request; places: Places }>()
  const [facets, setFacets] = useState(noFacets)
  const [failure, setFailure] = useState<string | null>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: more events make other answers
  useEffect(() => {
    const asking = new AbortController()
    const fail = (error: Error) => asking.signal.aborted || setFailure(error.message)
    if (request !== undefined) {
      outlineTimeline({ data: { ...request, sessionId }, signal: asking.signal }).then(
        ({ ranges }) => setAnswer({ request, places: placesOf(ranges) }),
        fail,
      )
    }
    return () => asking.abort()
  }, [sessionId, eventCount, request])

  // biome-ignore lint/correctness/useExhaustiveDependencies: more events make other answers
  useEffect(() => {
    timelineFacets({ data: sessionId }).then(setFacets, (error: Error) => setFailure(error.message))
  }, [sessionId, eventCount])

  const found = answer?.request === request ? answer?.places : undefined
  const asksForConversation = request !== filter
  // A log without any message is shown as its events.
  const hasNoConversation = asksForConversation && found?.count === 0
  return {
    places: request === undefined || hasNoConversation ? all : (found ?? none),
    isReady: request === undefined || found !== undefined,
    isConversation: asksForConversation && found !== undefined && !hasNoConversation,
    facets,
    failure,
    setFailure,
  }
}

const none = placesOf([])
