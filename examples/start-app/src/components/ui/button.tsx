import type { ComponentProps } from 'react'
import { cn } from '#/lib/cn'

const variants = {
  primary: 'bg-accent text-accent-foreground shadow-xs hover:brightness-110 active:brightness-95',
  outline: 'border bg-surface shadow-xs hover:bg-muted',
  ghost: 'text-muted-foreground hover:bg-muted hover:text-foreground',
  danger: 'bg-danger text-white shadow-xs hover:brightness-110 dark:text-black',
}

const sizes = {
  md: 'h-9 gap-2 px-4 text-sm',
  sm: 'h-8 gap-1.5 px-3 text-[13px]',
  icon: 'size-8',
}

interface ButtonProps extends ComponentProps<'button'> {
  variant?: keyof typeof variants
  size?: keyof typeof sizes
}

export function Button({ variant = 'outline', size = 'md', className, ...props }: ButtonProps) {
  return (
    <button
      type="button"
      className={cn(
        'inline-flex shrink-0 items-center justify-center rounded-lg font-medium whitespace-nowrap transition-colors disabled:pointer-events-none disabled:opacity-45 [&_svg]:size-4 [&_svg]:shrink-0',
        variants[variant],
        sizes[size],
        className,
      )}
      {...props}
    />
  )
}
