import { Search, X } from 'lucide-react'
import { useEffect, useEffectEvent, useState } from 'react'

interface SearchFieldProps {
  label: string
  placeholder: string
  value: string
  /** Called when the user pauses typing. */
  onChange: (value: string) => void
  testId?: string
}

const PAUSE_MS = 200

/** A search input that a button and Escape clear. */
export function SearchField({ label, placeholder, value, onChange, testId }: SearchFieldProps) {
  const [typed, setTyped] = useState(value)
  const [shown, setShown] = useState(value)
  // The URL can change without typing: back, forward, a link.
  if (value !== shown) {
    setShown(value)
    setTyped(value)
  }
  const change = useEffectEvent((next: string) => next !== value && onChange(next))
  useEffect(() => {
    const timer = setTimeout(() => change(typed), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed])
  return (
    <search className="relative flex min-w-0 flex-1 items-center">
      <Search
        className="pointer-events-none absolute left-2.5 size-4 text-muted-foreground"
        aria-hidden
      />
      <input
        type="search"
        aria-label={label}
        data-testid={testId}
        placeholder={placeholder}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && setTyped('')}
        className="h-8 w-full min-w-0 rounded-lg border bg-background pr-8 pl-8 text-[13px] placeholder:text-muted-foreground [&::-webkit-search-cancel-button]:hidden"
      />
      {typed !== '' && (
        <button
          type="button"
          aria-label="Clear the search"
          onClick={() => setTyped('')}
          className="absolute right-1 rounded-md p-1 text-muted-foreground hover:text-foreground"
        >
          <X className="size-4" />
        </button>
      )}
    </search>
  )
}
