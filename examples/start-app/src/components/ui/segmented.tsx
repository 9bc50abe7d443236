import { Tabs } from 'radix-ui'

interface SegmentedProps<Value extends string> {
  label: string
  value: Value
  options: readonly { value: Value; label: string; testId?: string }[]
  onChange: (value: Value) => void
  className?: string
}

/** A row of choices of which one is on. */
export function Segmented<Value extends string>(props: SegmentedProps<Value>) {
  return (
    <Tabs.Root
      value={props.value}
      onValueChange={(value) => props.onChange(value as Value)}
      className={props.className}
    >
      <Tabs.List aria-label={props.label} className="flex rounded-lg bg-muted p-0.5">
        {props.options.map((option) => (
          <Tabs.Trigger
            key={option.value}
            value={option.value}
            data-testid={option.testId}
            className="flex-1 rounded-md px-3 py-1 text-[13px] font-medium text-muted-foreground transition-colors hover:text-foreground data-[state=active]:bg-surface data-[state=active]:text-foreground data-[state=active]:shadow-xs dark:data-[state=active]:bg-foreground/14"
          >
            {option.label}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
    </Tabs.Root>
  )
}
