import type { ConversationRow as ConversationRowData, Session } from '@org/session-db'
import {
  type ComponentProps,
  createContext,
  type RefObject,
  useCallback,
  useContext,
  useEffect,
  useEffectEvent,
  useMemo,
  useRef,
  useState,
} from 'react'
import { type CustomItemComponentProps, Virtualizer, type VirtualizerHandle } from 'virtua'
import { later } from '#/lib/later'
import { ConversationRow } from './conversation-row'
import { TimeMark } from './time-mark'
import type { TimelineSource } from './timeline-source'
import { useRowKeys } from './use-row-keys'

// Only the view of all events has these rows. The placeholder is as high as one of them.
const TimelineRow = later(() => import('./timeline-row'), <div className="h-18" />)

/** Assumed height of a row before it is measured, in pixels. */
const ROW_HEIGHT = { events: 72, conversation: 44 }
const rowHeight = ({ conversation }: TimelineSource) =>
  conversation === null ? ROW_HEIGHT.events : ROW_HEIGHT.conversation
/** Height rendered above and below the viewport, in pixels. */
const AROUND = 400
/** The space above the first row, in pixels: `pt-2`. */
const ABOVE = 8

interface EventListProps {
  session: Session
  source: TimelineSource
  /** The seq of the event to show. */
  at: number | undefined
  /** Text that is searched for, to mark. */
  query: string
  /** The seq of the first event on the screen, which stays there when the view changes. */
  seen: RefObject<number | undefined>
}

const SourceContext = createContext<TimelineSource | null>(null)

/** Renders only the visible rows and a few around them. */
export function EventList({ session, source, at, query, seen }: EventListProps) {
  const scroller = useRef<HTMLElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  const rows = useMemo<ArrayLike<undefined>>(() => ({ length: source.count }), [source.count])
  const onMove = useShowRows(source, list, seen)
  useShowEvent(at, source, list, seen)

  // Rows are unmounted while scrolling; this keeps what was unfolded.
  const [unfolded, toggle] = useToggled()
  const [setUps, toggleSetUp] = useToggled()
  const keys = useRowKeys(list, source.count)
  const target = useMemo(() => (at === undefined ? undefined : source.rowOf(at)), [source, at])

  return (
    <section
      ref={scroller}
      data-testid="timeline"
      aria-label="Events"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
      tabIndex={0}
      {...keys.props}
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
          itemSize={rowHeight(source)}
          bufferSize={AROUND}
          onScroll={onMove}
          onResize={onMove}
        >
          {(_, index) => (
            <Row
              session={session}
              source={source}
              index={index}
              at={at}
              query={query}
              seen={seen}
              target={target}
              stop={keys.stop}
              unfolded={unfolded}
              setUps={setUps}
              onToggle={toggle}
              onToggleSetUp={toggleSetUp}
            />
          )}
        </Virtualizer>
      </SourceContext>
    </section>
  )
}

/** Seqs of rows that were opened or closed against their default. */
function useToggled() {
  const [seqs, setSeqs] = useState<ReadonlySet<number>>(new Set())
  const toggle = useCallback((seq: number) => {
    setSeqs((before) => {
      const after = new Set(before)
      if (!after.delete(seq)) after.add(seq)
      return after
    })
  }, [])
  return [seqs, toggle] as const
}

interface RowProps extends EventListProps {
  index: number
  /** The row of the event to show. */
  target: number | undefined
  /** The row that the Tab key reaches. */
  stop: number | undefined
  unfolded: ReadonlySet<number>
  setUps: ReadonlySet<number>
  onToggle: (seq: number) => void
  onToggleSetUp: (seq: number) => void
}

function Row(props: RowProps) {
  const { source, index, at, query, stop, unfolded, onToggle } = props
  const event = source.eventAt(index)
  if (event === undefined) return <PlaceholderRow height={rowHeight(source)} />
  // A folded result is shown with its call.
  if (source.isFolded(event)) return null
  const row = source.conversation?.get(event.seq)
  if (source.conversation !== null && row === undefined) {
    return <PlaceholderRow height={rowHeight(source)} />
  }
  const before = index > 0 ? source.eventAt(index - 1) : undefined
  const isOpen = unfolded.has(event.seq)
  const isStop = stop === index
  const results = source.results.get(event.id)
  return (
    <>
      <TimeMark before={before} event={event} isFirst={index === 0} />
      {row ? (
        <ConversationOfRow {...props} row={row} isOpen={isOpen} isStop={isStop} />
      ) : (
        <TimelineRow
          event={event}
          results={results}
          isOpen={isOpen}
          isTarget={at !== undefined && [event, ...(results ?? [])].some(({ seq }) => seq === at)}
          isStop={isStop}
          query={query}
          onToggle={onToggle}
        />
      )}
    </>
  )
}

interface ConversationOfRowProps extends RowProps {
  row: ConversationRowData
  isOpen: boolean
  isStop: boolean
}

/** A link to a set-up event opens its list; one to a result opens the call. */
function ConversationOfRow(props: ConversationOfRowProps) {
  const { row, session, at, isOpen, isStop, setUps, onToggle, onToggleSetUp } = props
  const target = props.target === props.index ? at : undefined
  const folded = row.before.length > 0 ? row.before : (row.turn?.folded ?? [])
  const isInSetUp = folded.some(({ seq }) => seq === target)
  const isInResult = row.results.some(({ seq }) => seq === target)
  return (
    <ConversationRow
      row={row}
      session={session}
      target={target}
      isStop={isStop}
      isOpen={isOpen !== isInResult}
      isSetUpOpen={setUps.has(row.event.seq) !== isInSetUp}
      onToggle={onToggle}
      onToggleSetUp={onToggleSetUp}
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
function PlaceholderRow({ height }: { height: number }) {
  return (
    <div className="flex gap-3 pt-2" style={{ height }} data-testid="event-loading">
      <span className="size-6.5 shrink-0 rounded-full bg-muted" />
      <span className="mt-1.5 h-3.5 w-2/5 rounded bg-muted" />
      <span className="sr-only">Loading</span>
    </div>
  )
}

type List = RefObject<VirtualizerHandle | null>
type Seen = RefObject<number | undefined>

/** Reports the visible rows to the source. Returns a function to call after scrolling. */
function useShowRows(source: TimelineSource, list: List, seen: Seen) {
  const { show } = source
  const see = useEffectEvent((row: number) => {
    seen.current = source.seqOf(row) ?? seen.current
  })
  const onMove = useCallback(() => {
    if (list.current === null) return
    const { scrollOffset, viewportSize } = list.current
    const rowAt = (offset: number) => list.current?.findItemIndex(offset) ?? 0
    const first = rowAt(scrollOffset)
    see(first)
    show(first, rowAt(scrollOffset + viewportSize))
  }, [list, show])
  useEffect(onMove, [onMove])
  return onMove
}

/** Scrolls to an event, once per request, and to the event that another view of the timeline showed. */
function useShowEvent(at: number | undefined, source: TimelineSource, list: List, seen: Seen) {
  const [before] = useState(() => seen.current)
  const isShown = useRef(false)
  useEffect(() => {
    if (isShown.current) return
    isShown.current = true
    if (before !== undefined) list.current?.scrollToIndex(source.rowOf(before))
  }, [before, source, list])
  const shown = useRef<number>(undefined)
  useEffect(() => {
    if (at === shown.current) return
    shown.current = at
    if (at !== undefined) list.current?.scrollToIndex(source.rowOf(at), { align: 'center' })
  }, [at, source, list])
}
