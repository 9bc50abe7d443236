import { Bot } from 'lucide-react'
import { cn } from '#/lib/cn'

/** Initial of a person, or the assistant's sign. */
export function Avatar({
  name,
  bot = false,
  className,
}: {
  name: string
  bot?: boolean
  className?: string
}) {
  return (
    <span
      aria-hidden
      className={cn(
        'flex size-7 shrink-0 items-center justify-center rounded-full text-xs font-semibold uppercase',
        bot ? 'bg-muted text-muted-foreground' : 'bg-accent-soft text-accent-text',
        className,
      )}
    >
      {bot ? <Bot className="size-4" /> : name.slice(0, 1)}
    </span>
  )
}
