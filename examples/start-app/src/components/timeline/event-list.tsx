import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useEffect, useRef, useState } from 'react'
import { TimelineRow } from './timeline-row'
import type { TimelineSource } from './timeline-source'

/** Height of a row that has not been on the screen, in pixels. */
const ROW_HEIGHT = 72

interface EventListProps {
  source: TimelineSource
  /** The event to show, by its seq. */
  at: number | undefined
}

/** Renders the rows on the screen and a few around them, out of any number. */
export function EventList({ source, at }: EventListProps) {
  const scroller = useRef<HTMLElement>(null)
  const virtualizer = useVirtualizer({
    count: source.count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 6,
    paddingStart: 8,
    paddingEnd: 24,
  })
  const rows = virtualizer.getVirtualItems()
  const [first, last] = [rows[0]?.index ?? 0, rows.at(-1)?.index ?? 0]
  const { show } = source
  useEffect(() => show(first, last), [show, first, last])
  useShowEvent(at, source, virtualizer)

  // Rows come and go as the user scrolls; what was unfolded stays so.
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set())
  const toggle = useCallback((seq: number) => {
    setUnfolded((before) => {
      const after = new Set(before)
      if (!after.delete(seq)) after.add(seq)
      return after
    })
  }, [])

  return (
    <section
      ref={scroller}
      data-testid="timeline"
      aria-label="Events"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
      tabIndex={0}
      className="min-h-0 flex-1 overflow-y-auto overscroll-contain contain-strict -outline-offset-2"
    >
      <ol
        aria-label="Events"
        className="relative w-full"
        style={{ height: virtualizer.getTotalSize() }}
      >
        {rows.map(({ index, start }) => {
          const event = source.eventAt(index)
          const isFolded = event !== undefined && source.isFolded(event)
          const results = event && source.results.get(event.id)
          // A folded result is shown by its call.
          const shown = isFolded ? [] : [event, ...(results ?? [])]
          return (
            <li
              key={index}
              ref={virtualizer.measureElement}
              data-index={index}
              aria-setsize={source.count}
              aria-posinset={index + 1}
              hidden={isFolded}
              className="absolute inset-x-0 top-0 px-3 sm:px-4"
              style={{ transform: `translateY(${start}px)` }}
            >
              {event ? (
                <TimelineRow
                  event={event}
                  results={results}
                  isOpen={unfolded.has(event.seq)}
                  isTarget={at !== undefined && shown.some((each) => each?.seq === at)}
                  onToggle={toggle}
                />
              ) : (
                <PlaceholderRow />
              )}
            </li>
          )
        })}
      </ol>
    </section>
  )
}

/** As high as an unmeasured row, so that nothing moves when the event arrives. */
function PlaceholderRow() {
  return (
    <div className="flex gap-3 pt-2" style={{ height: ROW_HEIGHT }} data-testid="event-loading">
      <span className="size-6.5 shrink-0 rounded-full bg-muted" />
      <span className="mt-1.5 h-3.5 w-2/5 rounded bg-muted" />
      <span className="sr-only">Loading</span>
    </div>
  )
}

type Virtualizer = ReturnType<typeof useVirtualizer<HTMLElement, Element>>

/** Scrolls to an event, once for each that is asked for. */
function useShowEvent(at: number | undefined, source: TimelineSource, virtualizer: Virtualizer) {
  const shown = useRef<number>(undefined)
  useEffect(() => {
    if (at === shown.current) return
    shown.current = at
    if (at !== undefined) virtualizer.scrollToIndex(source.rowOf(at), { align: 'center' })
  }, [at, source, virtualizer])
}
