import {
  type ComponentProps,
  createContext,
  type RefObject,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { type CustomItemComponentProps, Virtualizer, type VirtualizerHandle } from 'virtua'
import { TimelineRow } from './timeline-row'
import type { TimelineSource } from './timeline-source'

/** Assumed height of a row before it is measured, in pixels. */
const ROW_HEIGHT = 72
/** Height rendered above and below the viewport, in pixels. */
const AROUND = 400
/** The space above the first row, in pixels: `pt-2`. */
const ABOVE = 8

interface EventListProps {
  source: TimelineSource
  /** The seq of the event to show. */
  at: number | undefined
}

const SourceContext = createContext<TimelineSource | null>(null)

/** Renders only the visible rows and a few around them. */
export function EventList({ source, at }: EventListProps) {
  const scroller = useRef<HTMLElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  const rows = useMemo<ArrayLike<undefined>>(() => ({ length: source.count }), [source.count])
  const onMove = useShowRows(source, list)
  useShowEvent(at, source, list)

  // Rows are unmounted while scrolling; this keeps what was unfolded.
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
      className="min-h-0 flex-1 overflow-y-auto overscroll-contain pt-2 pb-6 contain-strict -outline-offset-2"
    >
      <SourceContext value={source}>
        <Virtualizer
          ref={list}
          as={Rows}
          item={Item}
          scrollRef={scroller}
          startMargin={ABOVE}
          data={rows}
          itemSize={ROW_HEIGHT}
          bufferSize={AROUND}
          onScroll={onMove}
          onResize={onMove}
        >
          {(_, index) => (
            <Row source={source} index={index} at={at} unfolded={unfolded} onToggle={toggle} />
          )}
        </Virtualizer>
      </SourceContext>
    </section>
  )
}

interface RowProps extends EventListProps {
  index: number
  unfolded: ReadonlySet<number>
  onToggle: (seq: number) => void
}

function Row({ source, index, at, unfolded, onToggle }: RowProps) {
  const event = source.eventAt(index)
  if (event === undefined) return <PlaceholderRow />
  // A folded result is shown with its call.
  if (source.isFolded(event)) return null
  const results = source.results.get(event.id)
  return (
    <TimelineRow
      event={event}
      results={results}
      isOpen={unfolded.has(event.seq)}
      isTarget={at !== undefined && [event, ...(results ?? [])].some(({ seq }) => seq === at)}
      onToggle={onToggle}
    />
  )
}

function Rows(props: ComponentProps<'ol'>) {
  return <ol aria-label="Events" {...props} />
}

/** Announces the position, because most rows are not in the page. */
function Item({ index, ...props }: CustomItemComponentProps) {
  const source = useContext(SourceContext)
  const event = source?.eventAt(index)
  return (
    <li
      {...props}
      data-index={index}
      aria-setsize={source?.count}
      aria-posinset={index + 1}
      aria-hidden={(event && source?.isFolded(event)) || undefined}
      className="px-3 sm:px-4"
    />
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

type List = RefObject<VirtualizerHandle | null>

/** Reports the visible rows to the source. Returns a function to call after scrolling. */
function useShowRows({ show }: TimelineSource, list: List) {
  const onMove = useCallback(() => {
    if (list.current === null) return
    const { scrollOffset, viewportSize } = list.current
    const rowAt = (offset: number) => list.current?.findItemIndex(offset) ?? 0
    show(rowAt(scrollOffset), rowAt(scrollOffset + viewportSize))
  }, [list, show])
  useEffect(onMove, [onMove])
  return onMove
}

/** Scrolls to an event, once per request. */
function useShowEvent(at: number | undefined, source: TimelineSource, list: List) {
  const shown = useRef<number>(undefined)
  useEffect(() => {
    if (at === shown.current) return
    shown.current = at
    if (at !== undefined) list.current?.scrollToIndex(source.rowOf(at), { align: 'center' })
  }, [at, source, list])
}
