interface ShowMoreProps {
  isOpen: boolean
  onToggle: () => void
  /** Its name while the text is folded. */
  label?: string
}

/** Unfolds a long text. The arrow keys reach it: a row is at most one stop of the Tab key. */
export function ShowMore({ isOpen, onToggle, label = 'Show all' }: ShowMoreProps) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-expanded={isOpen}
      onClick={onToggle}
      className="mt-1 rounded text-xs font-medium text-accent-text hover:underline"
    >
      {isOpen ? 'Show less' : label}
    </button>
  )
}
