import type { ReactNode } from 'react'
import { cn } from '#/lib/cn'

const tones = {
  neutral: 'bg-foreground/7 text-muted-foreground',
  accent: 'bg-accent/12 text-accent-text dark:bg-accent/30',
  danger: 'bg-danger-soft text-danger',
}

export function Badge({
  tone = 'neutral',
  children,
}: {
  tone?: keyof typeof tones
  children: ReactNode
}) {
  return (
    <span
      className={cn(
        'inline-flex shrink-0 items-center gap-1 rounded-md px-1.5 py-0.5 text-[11px] leading-4 font-medium',
        tones[tone],
      )}
    >
      {children}
    </span>
  )
}
