import { ChevronDown } from 'lucide-react'
import { cn } from '#/lib/cn'

interface SelectProps<Value extends string> {
  label: string
  /** Undefined selects the first entry, `all`. */
  value: Value | undefined
  all: string
  options: readonly { readonly value: Value; readonly label: string }[]
  onChange: (value: Value | undefined) => void
  testId?: string
}

/** The native select, which works with every keyboard, screen reader and phone. */
export function Select<Value extends string>(props: SelectProps<Value>) {
  const { label, value, all, options, onChange, testId } = props
  return (
    <span className="relative min-w-0 flex-1">
      <select
        aria-label={label}
        data-testid={testId}
        value={value ?? ''}
        onChange={(event) => onChange((event.target.value || undefined) as Value | undefined)}
        className={cn(
          'h-8 w-full appearance-none truncate rounded-lg border bg-background pr-6 pl-2.5 text-xs',
          value === undefined ? 'text-muted-foreground' : 'border-accent font-medium',
        )}
      >
        <option value="">{all}</option>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <ChevronDown
        className="pointer-events-none absolute top-2 right-1.5 size-4 text-muted-foreground"
        aria-hidden
      />
    </span>
  )
}
