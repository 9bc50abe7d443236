import { ArrowUp, Bot, Square, X } from 'lucide-react'
import { type KeyboardEvent, useEffect, useEffectEvent, useRef, useState } from 'react'
import { type EventReference, useReferences } from '#/components/references'
import { Button } from '#/components/ui/button'
import { Tooltip } from '#/components/ui/tooltip'
import { cn } from '#/lib/cn'
import { useStored } from '#/lib/use-stored'
import type { Conversation } from './message-list'
import { useAnswers } from './use-answers'

/** A message as typed. */
export interface Draft {
  readonly content: string
  readonly references: readonly EventReference[]
  readonly wantsAnswer: boolean
}

interface ComposerProps {
  /** Storage key of the draft, so that a reload does not lose it. */
  draftKey: string
  /** Sends a message. Rejects if it was not stored and is not shown anywhere else. */
  onSend: (draft: Draft) => Promise<unknown>
  /** True while messages can't be sent. */
  isWaiting: boolean
  /** The growing answers that the user may stop. */
  answering: Conversation['answering']
}

const SILENT = 'no-answers'

/** Returns whether the assistant answers this user's messages. */
export function wantsAnswers(): boolean {
  return (localStorage.getItem(SILENT) ?? '') === ''
}

export function Composer({ draftKey, onSend, isWaiting, answering }: ComposerProps) {
  const [content, setContent] = useStored('sessionStorage', draftKey)
  const [silent, setSilent] = useStored('localStorage', SILENT)
  const { chosen: references, clear } = useReferences()
  const { stop } = useAnswers()
  const field = useRef<HTMLTextAreaElement>(null)
  const empty = content.trim() === ''
  const wantsAnswer = silent === ''

  // Referencing an event moves the focus here.
  useEffect(() => {
    if (references.length > 0) field.current?.focus()
  }, [references])

  // Enter may be pressed before the thread is known.
  const [queued, setQueued] = useState(false)
  const sendQueued = useEffectEvent(() => queued && send())
  useEffect(() => {
    if (!isWaiting) sendQueued()
  }, [isWaiting])

  function send() {
    setQueued(isWaiting)
    if (empty || isWaiting) return
    setContent('')
    clear()
    // Restores text that could not be sent, unless the user is typing something new.
    onSend({ content, references, wantsAnswer }).catch(() => {
      if (field.current?.value === '') setContent(content)
    })
  }

  function onKeyDown(event: KeyboardEvent) {
    // Escape stops the user's own answers only.
    if (event.key === 'Escape') for (const { id, isOwn } of answering) if (isOwn) stop(id)
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }

  return (
    <form
      aria-label="New message"
      className="shrink-0 border-t p-3"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <div className="rounded-xl border bg-background shadow-xs focus-within:border-accent">
        <ReferenceChips />
        <div className="flex items-end gap-1 p-1.5 pl-3">
          <textarea
            ref={field}
            data-testid="composer"
            aria-label="Message"
            placeholder="Write a message…"
            rows={1}
            value={content}
            onChange={(event) => setContent(event.target.value)}
            onKeyDown={onKeyDown}
            className="field-sizing-content max-h-48 min-w-0 flex-1 resize-none bg-transparent py-1.5 text-sm leading-5 outline-none placeholder:text-muted-foreground"
          />
          <Tooltip label={wantsAnswer ? 'The assistant answers' : 'The assistant stays silent'}>
            <Button
              variant="ghost"
              size="icon"
              aria-label="Have the assistant answer"
              aria-pressed={wantsAnswer}
              data-testid="wants-answer"
              className={cn(wantsAnswer && 'bg-accent-soft text-accent-text')}
              onClick={() => setSilent(wantsAnswer ? 'yes' : '')}
            >
              <Bot />
            </Button>
          </Tooltip>
          {answering.length > 0 && (
            <Tooltip label="Stop the answer (Esc)">
              <Button
                size="icon"
                aria-label="Stop the answer"
                data-testid="stop-answer"
                onClick={() => {
                  for (const { id } of answering) stop(id)
                }}
              >
                <Square className="fill-current" />
              </Button>
            </Tooltip>
          )}
          <Button
            type="submit"
            variant="primary"
            size="icon"
            aria-label="Send"
            data-testid="send"
            disabled={empty}
          >
            <ArrowUp />
          </Button>
        </div>
      </div>
      <p className="mt-1.5 hidden text-[11px] text-muted-foreground sm:block">
        <kbd className="font-sans font-medium">Enter</kbd> sends,{' '}
        <kbd className="font-sans font-medium">Shift + Enter</kbd> starts a new line
      </p>
    </form>
  )
}

function ReferenceChips() {
  const { chosen, remove } = useReferences()
  return (
    <ul aria-label="Referenced events" className="flex flex-wrap gap-1.5 px-2 pt-2 empty:hidden">
      {chosen.map(({ eventId, seq, title }) => (
        <li
          key={eventId}
          data-testid="reference-chip"
          className="flex max-w-full items-center gap-1 rounded-md bg-muted py-0.5 pr-0.5 pl-2 text-xs"
        >
          <span className="truncate">
            {title} <span className="text-muted-foreground">#{seq}</span>
          </span>
          <button
            type="button"
            aria-label={`Do not reference event ${seq}`}
            onClick={() => remove(eventId)}
            className="rounded p-0.5 text-muted-foreground hover:text-foreground"
          >
            <X className="size-3.5" />
          </button>
        </li>
      ))}
    </ul>
  )
}
