import { ToggleGroup } from 'radix-ui'
import type { ReactNode } from 'react'
import { cn } from '#/lib/cn'

interface SegmentedProps<Value extends string> {
  label: string
  value: Value
  options: readonly { value: Value; label: ReactNode; testId?: string }[]
  onChange: (value: Value) => void
  className?: string
}

/** A row of options with one selected. */
export function Segmented<Value extends string>(props: SegmentedProps<Value>) {
  return (
    <ToggleGroup.Root
      type="single"
      aria-label={props.label}
      value={props.value}
      // Pressing the selected option would deselect it, but one is always selected.
      onValueChange={(value) => value !== '' && props.onChange(value as Value)}
      className={cn('flex rounded-lg bg-muted p-0.5', props.className)}
    >
      {props.options.map((option) => (
        <ToggleGroup.Item
          key={option.value}
          value={option.value}
          data-testid={option.testId}
          className="flex-1 rounded-md px-3 py-1 whitespace-nowrap text-[13px] font-medium text-muted-foreground transition-colors hover:text-foreground data-[state=on]:bg-surface data-[state=on]:text-foreground data-[state=on]:shadow-xs dark:data-[state=on]:bg-foreground/14"
        >
          {option.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  )
}
