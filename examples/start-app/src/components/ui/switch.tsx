import type { ComponentProps } from 'react'
import { cn } from '#/lib/cn'

interface SwitchProps extends ComponentProps<'button'> {
  checked: boolean
  onCheckedChange: (checked: boolean) => void
}

export function Switch({ checked, onCheckedChange, className, ...props }: SwitchProps) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={checked}
      onClick={() => onCheckedChange(!checked)}
      className={cn(
        'group inline-flex h-4.5 w-8 shrink-0 items-center rounded-full bg-muted-foreground/35 p-0.5 transition-colors disabled:opacity-50 aria-checked:bg-accent',
        className,
      )}
      {...props}
    >
      <span className="size-3.5 rounded-full bg-white shadow-sm transition-transform group-aria-checked:translate-x-3.5" />
    </button>
  )
}
