import type { TimelineEvent } from '@org/session-db'
import { Check, Copy, Link2, MessageSquareQuote } from 'lucide-react'
import type { ReactNode } from 'react'
import { useReferences } from '#/components/references'
import { fullTime, preciseTime } from '#/lib/format'
import { useCopied } from '#/lib/use-copied'

interface RowActionsProps {
  event: TimelineEvent
  /** The text that the copy button copies. Default: the event's. */
  text?: string
}

/**
 * The time of a row. Pointing at the row shows the actions in its place, so that they cover nothing.
 * They are no stops of the Tab key: the arrow keys reach them.
 */
export function RowActions({ event, text = event.text ?? '' }: RowActionsProps) {
  const { add } = useReferences()
  return (
    <span className="flex h-6 w-19 shrink-0 items-center justify-end">
      {event.occurredAt && (
        <time
          dateTime={event.occurredAt.toISOString()}
          title={fullTime(event.occurredAt)}
          className="text-[11px] whitespace-nowrap text-muted-foreground tabular-nums group-focus-within:hidden group-hover:hidden"
        >
          {preciseTime(event.occurredAt)}
        </time>
      )}
      <span className="hidden group-focus-within:flex group-hover:flex">
        <RowButton
          label={`Reference event ${event.seq} in the chat`}
          title="Reference in chat"
          testId={`reference-${event.seq}`}
          onClick={() => add(event)}
        >
          <MessageSquareQuote className="size-3.5" aria-hidden />
        </RowButton>
        <CopyButton label="Copy link to this event" icon={Link2} text={() => linkTo(event)} />
        {text !== '' && <CopyButton label="Copy text" icon={Copy} text={() => text} />}
      </span>
    </span>
  )
}

function linkTo({ sessionId, seq }: TimelineEvent): string {
  return `${window.location.origin}/sessions/${encodeURIComponent(sessionId)}?at=${seq}`
}

interface CopyButtonProps {
  label: string
  icon: typeof Copy
  text: () => string
}

/** Copies a text, and shows for a moment that it did. */
function CopyButton({ label, icon: Icon, text }: CopyButtonProps) {
  const [copied, copy] = useCopied(1_500)
  const Shown = copied ? Check : Icon
  return (
    <RowButton label={copied ? 'Copied' : label} title={label} onClick={() => copy(text())}>
      <Shown className="size-3.5" aria-hidden />
    </RowButton>
  )
}

interface RowButtonProps {
  label: string
  title: string
  testId?: string
  onClick: () => void
  children: ReactNode
}

function RowButton({ label, title, testId, onClick, children }: RowButtonProps) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-label={label}
      title={title}
      data-testid={testId}
      onClick={onClick}
      className="rounded-md p-1 text-muted-foreground hover:bg-foreground/8 hover:text-foreground"
    >
      {children}
    </button>
  )
}
