import type { ChatMessage } from '@org/session-db'
import { Bot, Settings2, Wrench } from 'lucide-react'
import { cn } from '#/lib/cn'

const icons = { assistant: Bot, system: Settings2, tool: Wrench }

interface AvatarProps {
  name: string
  role?: ChatMessage['role']
}

/** A person's initial, or an icon for other authors. */
export function Avatar({ name, role = 'user' }: AvatarProps) {
  const Icon = role === 'user' ? null : icons[role]
  return (
    <span
      aria-hidden
      className={cn(
        'flex size-7 shrink-0 items-center justify-center rounded-full text-xs font-semibold uppercase',
        Icon ? 'bg-muted text-muted-foreground' : 'bg-accent-soft text-accent-text',
      )}
    >
      {Icon ? <Icon className="size-4" /> : name.slice(0, 1)}
    </span>
  )
}
