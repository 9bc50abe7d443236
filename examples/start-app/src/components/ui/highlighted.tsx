interface HighlightedProps {
  text: string
  /** Ranges to highlight, as [start, end), in order. */
  matches: readonly (readonly [start: number, end: number])[]
}

/** A text with highlighted ranges. */
export function Highlighted({ text, matches }: HighlightedProps) {
  return (
    <>
      {matches.map(([start, end], index) => (
        <span key={start}>
          {text.slice(matches[index - 1]?.[1] ?? 0, start)}
          <mark className="rounded-xs bg-accent/20 px-0.5 text-foreground">
            {text.slice(start, end)}
          </mark>
        </span>
      ))}
      {text.slice(matches.at(-1)?.[1] ?? 0)}
    </>
  )
}
