import { cn } from '#/lib/cn'

export function Logo({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={cn('size-7 shrink-0', className)} aria-hidden>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <path
        d="M9 10h14M9 16h9M9 22h12"
        className="stroke-accent-foreground"
        strokeWidth="2.6"
        strokeLinecap="round"
      />
    </svg>
  )
}
