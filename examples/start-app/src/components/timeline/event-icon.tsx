import type { TimelineEvent } from '@org/session-db'
import {
  Bot,
  Brain,
  CornerDownRight,
  Dot,
  FilePen,
  Info,
  type LucideIcon,
  Settings2,
  Terminal,
  User,
} from 'lucide-react'
import { cn } from '#/lib/cn'

const icons: Record<TimelineEvent['kind'], LucideIcon> = {
  message: Bot,
  reasoning: Brain,
  tool_call: Terminal,
  tool_result: CornerDownRight,
  file_change: FilePen,
  system: Settings2,
  meta: Info,
  other: Dot,
}

/** The icon of an event's kind. Messages of people and changes stand out. */
export function EventIcon({ event: { kind, role } }: { event: TimelineEvent }) {
  const byUser = kind === 'message' && role === 'user'
  const Icon = byUser ? User : icons[kind]
  const isAct = kind === 'tool_call' || kind === 'file_change'
  return (
    <span
      className={cn(
        'mt-1.5 flex size-6.5 shrink-0 items-center justify-center rounded-full',
        byUser && 'bg-accent text-accent-foreground',
        !byUser && (isAct ? 'bg-accent-soft text-accent-text' : 'bg-muted text-muted-foreground'),
      )}
    >
      <Icon className="size-3.5" />
    </span>
  )
}
