import type { TimelineEvent } from '@org/session-db'
import {
  Bot,
  Brain,
  ChevronRight,
  CornerDownRight,
  Dot,
  FilePen,
  Info,
  type LucideIcon,
  Settings2,
  Terminal,
  User,
} from 'lucide-react'
import { memo } from 'react'
import { cn } from '#/lib/cn'
import { firstLine, fullTime, preciseTime } from '#/lib/format'

const kinds: Record<TimelineEvent['kind'], { icon: LucideIcon; name: string; tone: string }> = {
  message: { icon: Bot, name: 'Message', tone: 'bg-muted text-muted-foreground' },
  reasoning: { icon: Brain, name: 'Reasoning', tone: 'bg-muted text-muted-foreground' },
  tool_call: { icon: Terminal, name: 'Tool call', tone: 'bg-accent-soft text-accent-text' },
  tool_result: {
    icon: CornerDownRight,
    name: 'Tool result',
    tone: 'bg-muted text-muted-foreground',
  },
  file_change: { icon: FilePen, name: 'File change', tone: 'bg-accent-soft text-accent-text' },
  system: { icon: Settings2, name: 'System', tone: 'bg-muted text-muted-foreground' },
  meta: { icon: Info, name: 'Info', tone: 'bg-muted text-muted-foreground' },
  other: { icon: Dot, name: 'Event', tone: 'bg-muted text-muted-foreground' },
}

const roles: Record<string, string> = {
  user: 'User',
  assistant: 'Assistant',
  system: 'System',
  developer: 'Developer',
}

/** One event. What people said is open; what machines said is folded behind its first line. */
export const TimelineRow = memo(function TimelineRow({ event }: { event: TimelineEvent }) {
  const kind = kinds[event.kind]
  const byUser = event.kind === 'message' && event.role === 'user'
  const Icon = byUser ? User : kind.icon
  const name = event.kind === 'message' ? (roles[event.role ?? ''] ?? kind.name) : kind.name
  return (
    <li
      data-testid={`event-${event.seq}`}
      data-kind={event.kind}
      className="offscreen-row flex gap-3"
    >
      <div className="flex flex-col items-center" aria-hidden>
        <span
          className={cn(
            'mt-1.5 flex size-6.5 shrink-0 items-center justify-center rounded-full',
            byUser ? 'bg-accent text-accent-foreground' : kind.tone,
          )}
        >
          <Icon className="size-3.5" />
        </span>
        <span className="mt-1.5 w-px flex-1 bg-border" />
      </div>
      <div className="min-w-0 flex-1 pt-2 pb-4">
        <div className="flex items-baseline gap-2 text-[13px]">
          <span className="shrink-0 font-medium">{name}</span>
          {event.toolName && (
            <code className="truncate rounded bg-muted px-1.5 py-px font-mono text-xs">
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
        {event.text && <EventText event={event} text={event.text} />}
      </div>
    </li>
  )
})

function EventText({ event, text }: { event: TimelineEvent; text: string }) {
  if (event.kind === 'message' && text.length < 4000) {
    return (
      <p className="mt-1 max-w-[72ch] text-sm leading-6 break-words whitespace-pre-wrap">{text}</p>
    )
  }
  return (
    <details className="group mt-1 min-w-0">
      <summary className="flex list-none items-center gap-1 rounded text-xs text-muted-foreground hover:text-foreground [&::-webkit-details-marker]:hidden">
        <ChevronRight
          className="size-3.5 shrink-0 transition-transform group-open:rotate-90"
          aria-hidden
        />
        <span
          className={cn(
            'truncate',
            event.kind !== 'message' && event.kind !== 'reasoning' && 'font-mono',
          )}
        >
          {firstLine(text)}
        </span>
      </summary>
      <pre className="mt-1.5 max-h-96 overflow-auto rounded-lg border bg-surface p-3 font-mono text-xs leading-5 break-words whitespace-pre-wrap">
        {text}
      </pre>
    </details>
  )
}
