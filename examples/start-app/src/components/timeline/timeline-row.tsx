import { type TimelineEvent, toolOutcome } from '@org/session-db'
import { ChevronRight } from 'lucide-react'
import { memo } from 'react'
import { Badge } from '#/components/ui/badge'
import { Highlighted } from '#/components/ui/highlighted'
import { cn } from '#/lib/cn'
import { eventName } from '#/lib/event-names'
import { firstLine } from '#/lib/format'
import { excerptOf, matchesOf } from '#/lib/matches'
import { EventIcon } from './event-icon'
import { RowActions } from './row-actions'
import { ShowMore } from './show-more'
import { Output } from './tool-row'
import { rowProps } from './use-row-keys'

interface TimelineRowProps {
  event: TimelineEvent
  /** The result, if the event is a tool call. */
  results: readonly TimelineEvent[] | undefined
  isOpen: boolean
  /** True if the URL points at it. */
  isTarget: boolean
  /** True for the row that the Tab key reaches. */
  isStop: boolean
  /** Text to mark. */
  query: string
  onToggle: (seq: number) => void
}

/** One event. People's messages are open; machine output is folded behind its first line. */
export default memo(function TimelineRow(props: TimelineRowProps) {
  const { event, results, isOpen, isTarget, isStop, query, onToggle } = props
  const toggle = () => onToggle(event.seq)
  const { isError, exitCode } = toolOutcome(results ?? [event])
  return (
    <article
      {...rowProps(event, isStop, isTarget)}
      className="group relative -mx-2 flex gap-3 rounded-lg px-2 data-target:bg-accent-soft"
    >
      <div className="flex flex-col items-center" aria-hidden>
        <EventIcon event={event} />
        <span className="mt-1.5 w-px flex-1 bg-border" />
      </div>
      <div className="min-w-0 flex-1 pt-1.5 pb-3">
        <div className="flex items-center gap-2 text-[13px]">
          <span className="shrink-0 font-medium">{eventName(event)}</span>
          {event.toolName && (
            <code className="min-w-8 truncate rounded bg-muted px-1.5 py-px font-mono text-xs">
              {event.toolName}
            </code>
          )}
          {isError && <Badge tone="danger">{exitCode ? `Exit ${exitCode}` : 'Failed'}</Badge>}
          {event.title && event.title !== event.toolName && (
            <span className="min-w-0 truncate text-muted-foreground">
              <Highlighted text={event.title} matches={matchesOf(event.title, query)} />
            </span>
          )}
          <span className="ml-auto">
            <RowActions event={event} />
          </span>
        </div>
        {event.kind === 'message' ? (
          <MessageText text={event.text ?? ''} query={query} isOpen={isOpen} onToggle={toggle} />
        ) : (
          <Folded
            event={event}
            results={results ?? []}
            query={query}
            isOpen={isOpen}
            onToggle={toggle}
          />
        )}
      </div>
    </article>
  )
})

interface FoldProps {
  query: string
  isOpen: boolean
  onToggle: () => void
}

const isLong = (text: string) => text.length > 900 || text.split('\n', 13).length > 12

function MessageText({ text, query, isOpen, onToggle }: FoldProps & { text: string }) {
  if (text === '') return null
  const folds = isLong(text)
  // A folded text shows the part that was searched for.
  const shown =
    folds && !isOpen && query !== ''
      ? excerptOf(text, query)
      : { text, matches: matchesOf(text, query) }
  return (
    <>
      <p
        className={cn(
          'max-w-[76ch] text-sm leading-6 break-words whitespace-pre-wrap',
          folds && !isOpen && 'line-clamp-[10]',
        )}
      >
        <Highlighted {...shown} />
      </p>
      {folds && <ShowMore isOpen={isOpen} onToggle={onToggle} />}
    </>
  )
}

type FoldedProps = FoldProps &
  Pick<TimelineRowProps, 'event'> & { results: readonly TimelineEvent[] }

function Folded({ event, results, query, isOpen, onToggle }: FoldedProps) {
  const parts = [event, ...results].filter(({ text }) => text)
  if (parts.length === 0) return null
  const isProse = event.kind === 'reasoning'
  return (
    <>
      <button
        type="button"
        tabIndex={-1}
        aria-expanded={isOpen}
        data-testid={`unfold-${event.seq}`}
        onClick={onToggle}
        className="flex w-full items-start gap-1 rounded text-left text-xs leading-5 text-muted-foreground hover:text-foreground"
      >
        <ChevronRight
          className={cn('mt-0.75 size-3.5 shrink-0 transition-transform', isOpen && 'rotate-90')}
          aria-hidden
        />
        <span className={cn('min-w-0 flex-1', !isProse && 'font-mono')}>
          {parts.map((part) => (
            <FoldedLine key={part.id} text={part.text ?? ''} query={query} isOwn={part === event} />
          ))}
        </span>
      </button>
      {isOpen &&
        parts.map((part) => (
          <Output
            key={part.id}
            text={part.text ?? ''}
            label={part === event ? 'Text' : 'Result'}
            query={query}
          />
        ))}
    </>
  )
}

/** The first line of a text, or the part around the text that was searched for. */
function FoldedLine({ text, query, isOwn }: { text: string; query: string; isOwn: boolean }) {
  const mark = isOwn ? '' : '↳ '
  if (query === '' || matchesOf(text, query).length === 0) {
    return (
      <span className="block truncate">
        {mark}
        {firstLine(text)}
      </span>
    )
  }
  return (
    <span className="line-clamp-3 break-words whitespace-pre-wrap text-foreground">
      {mark}
      <Highlighted {...excerptOf(text, query)} />
    </span>
  )
}
