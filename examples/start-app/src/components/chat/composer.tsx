import type { FilePart } from '@org/session-db'
import { ArrowUp, Bot, Paperclip, Square, X } from 'lucide-react'
import {
  type ClipboardEvent,
  type KeyboardEvent,
  useEffect,
  useEffectEvent,
  useRef,
  useState,
} from 'react'
import { type EventReference, useReferences } from '#/components/references'
import { Button } from '#/components/ui/button'
import { Tooltip } from '#/components/ui/tooltip'
import { cn } from '#/lib/cn'
import { useStored } from '#/lib/use-stored'
import { AttachmentChips } from './attachments'
import type { Conversation } from './message-list'
import { useAnswers } from './use-answers'
import type { Attachments } from './use-attachments'

/** A message as typed. */
export interface Draft {
  readonly content: string
  readonly references: readonly EventReference[]
  readonly files: readonly FilePart[]
  readonly wantsAnswer: boolean
}

interface ComposerProps {
  /** Storage key of the draft, so that a reload does not lose it. */
  draftKey: string
  /** Sends a message. Rejects if it was not stored and is not shown anywhere else. */
  onSend: (draft: Draft) => Promise<unknown>
  attachments: Attachments
  /** Uploads the draft's files for the message. Rejects if one failed, which its chip shows. */
  takeFiles: (content: string) => Promise<readonly FilePart[]>
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

export function Composer(props: ComposerProps) {
  const { draftKey, onSend, attachments, takeFiles, isWaiting, answering } = props
  const [content, setContent] = useStored('sessionStorage', draftKey)
  const [silent, setSilent] = useStored('localStorage', SILENT)
  const { chosen: references, clear } = useReferences()
  const { stop } = useAnswers()
  const field = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const [isUploading, setUploading] = useState(false)
  const hasFiles = attachments.files.length > 0
  const empty = content.trim() === '' && !hasFiles
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

  async function send() {
    setQueued(isWaiting)
    if (empty || isWaiting || isUploading) return
    let files: readonly FilePart[] = []
    if (hasFiles) {
      setUploading(true)
      try {
        files = await takeFiles(content)
      } catch {
        return
      } finally {
        setUploading(false)
      }
    }
    setContent('')
    clear()
    // Restores text that could not be sent, unless the user is typing something new.
    onSend({ content, references, files, wantsAnswer }).catch(() => {
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

  function onPaste(event: ClipboardEvent) {
    const { files, types } = event.clipboardData
    // Text from an office program comes with a picture of itself.
    if (files.length === 0 || types.includes('text/plain')) return
    event.preventDefault()
    attachments.add([...files])
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
        <AttachmentChips {...attachments} />
        <div className="flex items-end gap-1 p-1.5">
          <Tooltip label="Attach files">
            <Button
              variant="ghost"
              size="icon"
              aria-label="Attach files"
              data-testid="attach"
              onClick={() => picker.current?.click()}
            >
              <Paperclip />
            </Button>
          </Tooltip>
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            data-testid="attach-input"
            aria-label="Files to attach"
            onChange={(event) => {
              attachments.add([...(event.target.files ?? [])])
              event.target.value = ''
              field.current?.focus()
            }}
          />
          <textarea
            ref={field}
            data-testid="composer"
            aria-label="Message"
            placeholder="Write a message…"
            rows={1}
            value={content}
            onChange={(event) => setContent(event.target.value)}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            readOnly={isUploading}
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
            disabled={empty || isUploading}
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
