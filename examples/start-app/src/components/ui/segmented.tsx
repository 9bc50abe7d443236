import { type ReactNode, useId } from 'react'
import { cn } from '#/lib/cn'

interface SegmentedProps<Value extends string> {
  label: string
  value: Value
  options: readonly { value: Value; label: ReactNode; testId?: string }[]
  onChange: (value: Value) => void
  className?: string
}

/** A row of options with one selected: native radio buttons, whose arrow keys select. */
export function Segmented<Value extends string>(props: SegmentedProps<Value>) {
  const name = useId()
  return (
    <div
      role="radiogroup"
      aria-label={props.label}
      className={cn('flex rounded-lg bg-muted p-0.5', props.className)}
    >
      {props.options.map((option) => (
        <label
          key={option.value}
          className="relative flex-1 rounded-md px-3 py-1 text-center whitespace-nowrap text-[13px] font-medium text-muted-foreground transition-colors hover:text-foreground has-checked:bg-surface has-checked:text-foreground has-checked:shadow-xs dark:has-checked:bg-foreground/14"
        >
          <input
            type="radio"
            name={name}
            data-testid={option.testId}
            checked={option.value === props.value}
            onChange={() => props.onChange(option.value)}
            className="absolute inset-0 cursor-pointer appearance-none rounded-md"
          />
          {option.label}
        </label>
      ))}
    </div>
  )
}
