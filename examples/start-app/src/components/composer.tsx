import { ArrowUp } from 'lucide-react'
import { type KeyboardEvent, useState } from 'react'
import { Button } from './ui/button'

interface ComposerProps {
  /** Sends a message; rejects when it was not stored. */
  onSend: (content: string) => Promise<unknown>
  disabled: boolean
}

export function Composer({ onSend, disabled }: ComposerProps) {
  const [draft, setDraft] = useState('')
  const empty = draft.trim() === ''

  function send() {
    if (empty || disabled) return
    setDraft('')
    // What could not be sent comes back, unless something new is being written.
    onSend(draft).catch(() => setDraft((typed) => typed || draft))
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }

  return (
    <form
      className="shrink-0 border-t p-3"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <div className="flex items-end gap-2 rounded-xl border bg-background p-1.5 pl-3 shadow-xs focus-within:border-accent">
        <textarea
          data-testid="composer"
          aria-label="Message"
          placeholder="Write a message…"
          rows={1}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          className="field-sizing-content max-h-48 min-w-0 flex-1 resize-none bg-transparent py-1.5 text-sm leading-5 outline-none placeholder:text-muted-foreground"
        />
        <Button
          type="submit"
          variant="primary"
          size="icon"
          aria-label="Send"
          data-testid="send"
          disabled={empty || disabled}
        >
          <ArrowUp />
        </Button>
      </div>
      <p className="mt-1.5 hidden text-[11px] text-muted-foreground sm:block">
        <kbd className="font-sans font-medium">Enter</kbd> sends,{' '}
        <kbd className="font-sans font-medium">Shift + Enter</kbd> starts a new line
      </p>
    </form>
  )
}
