import type { TimelineEvent } from '@org/session-db'
import { ChevronRight, MessageSquareQuote } from 'lucide-react'
import { memo } from 'react'
import { useReferences } from '#/components/references'
import { cn } from '#/lib/cn'
import { eventName } from '#/lib/event-names'
import { firstLine, fullTime, preciseTime } from '#/lib/format'
import { EventIcon } from './event-icon'

interface TimelineRowProps {
  event: TimelineEvent
  /** The result, if the event is a tool call. */
  results: readonly TimelineEvent[] | undefined
  isOpen: boolean
  /** True if the URL points at it. */
  isTarget: boolean
  onToggle: (seq: number) => void
}

/** One event. People's messages are open; machine output is folded behind its first line. */
export const TimelineRow = memo(function TimelineRow(props: TimelineRowProps) {
  const { event, results, isOpen, isTarget, onToggle } = props
  const toggle = () => onToggle(event.seq)
  return (
    <article
      data-testid={`event-${event.seq}`}
      data-kind={event.kind}
      data-target={isTarget || undefined}
      aria-label={`${eventName(event)} ${event.toolName ?? ''} #${event.seq}`}
      className="group relative -mx-2 flex gap-3 rounded-lg px-2 data-target:bg-accent-soft"
    >
      <div className="flex flex-col items-center" aria-hidden>
        <EventIcon event={event} />
        <span className="mt-1.5 w-px flex-1 bg-border" />
      </div>
      <div className="min-w-0 flex-1 pt-2 pb-3.5">
        <div className="flex items-baseline gap-2 text-[13px]">
          <span className="shrink-0 font-medium">{eventName(event)}</span>
          {event.toolName && (
            <code className="min-w-8 truncate rounded bg-muted px-1.5 py-px font-mono text-xs">
              {event.toolName}
            </code>
          )}
          {event.title && event.title !== event.toolName && (
            <span className="min-w-0 truncate text-muted-foreground">{event.title}</span>
          )}
          {event.occurredAt && (
            <time
              dateTime={event.occurredAt.toISOString()}
              title={fullTime(event.occurredAt)}
              className="ml-auto shrink-0 text-[11px] text-muted-foreground tabular-nums"
            >
              {preciseTime(event.occurredAt)}
            </time>
          )}
        </div>
        {event.kind === 'message' ? (
          <MessageText text={event.text ?? ''} isOpen={isOpen} onToggle={toggle} />
        ) : (
          <Folded event={event} results={results ?? []} isOpen={isOpen} onToggle={toggle} />
        )}
      </div>
      <ReferenceButton event={event} />
    </article>
  )
})

function ReferenceButton({ event }: { event: TimelineEvent }) {
  const { add } = useReferences()
  return (
    <button
      type="button"
      aria-label={`Reference event ${event.seq} in the chat`}
      title="Reference in chat"
      data-testid={`reference-${event.seq}`}
      onClick={() => add(event)}
      className="absolute top-1 right-1 rounded-lg border bg-raised p-1.5 text-muted-foreground opacity-0 shadow-xs transition-opacity group-hover:opacity-100 hover:text-foreground focus-visible:opacity-100 pointer-coarse:opacity-100"
    >
      <MessageSquareQuote className="size-3.5" aria-hidden />
    </button>
  )
}

interface FoldProps {
  isOpen: boolean
  onToggle: () => void
}

const isLong = (text: string) => text.length > 900 || text.split('\n', 13).length > 12

function MessageText({ text, isOpen, onToggle }: FoldProps & { text: string }) {
  if (text === '') return null
  return (
    <>
      <p
        className={cn(
          'mt-1 max-w-[72ch] text-sm leading-6 break-words whitespace-pre-wrap',
          isLong(text) && !isOpen && 'line-clamp-[10]',
        )}
      >
        {text}
      </p>
      {isLong(text) && (
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={onToggle}
          className="mt-1 rounded text-xs font-medium text-accent-text hover:underline"
        >
          {isOpen ? 'Show less' : 'Show all'}
        </button>
      )}
    </>
  )
}

type FoldedProps = FoldProps &
  Pick<TimelineRowProps, 'event'> & { results: readonly TimelineEvent[] }

function Folded({ event, results, isOpen, onToggle }: FoldedProps) {
  const parts = [event, ...results].filter(({ text }) => text)
  if (parts.length === 0) return null
  const isProse = event.kind === 'reasoning'
  return (
    <>
      <button
        type="button"
        aria-expanded={isOpen}
        data-testid={`unfold-${event.seq}`}
        onClick={onToggle}
        className="mt-1 flex w-full items-start gap-1 rounded text-left text-xs text-muted-foreground hover:text-foreground"
      >
        <ChevronRight
          className={cn('mt-px size-3.5 shrink-0 transition-transform', isOpen && 'rotate-90')}
          aria-hidden
        />
        <span className={cn('min-w-0 flex-1', !isProse && 'font-mono')}>
          {parts.map((part) => (
            <span key={part.id} className="block truncate">
              {part !== event && '↳ '}
              {firstLine(part.text ?? '')}
            </span>
          ))}
        </span>
      </button>
      {isOpen &&
        parts.map((part) => (
          <pre
            key={part.id}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
            tabIndex={0}
            className="mt-1.5 max-h-96 overflow-auto rounded-lg border bg-surface p-3 font-mono text-xs leading-5 break-words whitespace-pre-wrap"
          >
            {part.text}
          </pre>
        ))}
    </>
  )
}
