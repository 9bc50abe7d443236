import type {
  ConversationTurn,
  ConversationRow as Row,
  Session,
  TimelineEvent,
} from '@org/session-db'
import { Brain, ChevronRight, CircleAlert, Settings2 } from 'lucide-react'
import { lazy, memo, type ReactNode, Suspense, useDeferredValue, useEffect, useRef } from 'react'
import { cn } from '#/lib/cn'
import { eventName } from '#/lib/event-names'
import { count, duration, firstLine, preciseTime, short } from '#/lib/format'
import { DiffCards } from './diff-card'
import { RowActions } from './row-actions'
import { ShowMore } from './show-more'
import { FoldButton, Output, ToolRow } from './tool-row'
import { rowProps } from './use-row-keys'
import { WholeText } from './whole-text'

// The formatter is large, and a reader who scrolls fast doesn't need it yet.
const Markdown = lazy(() => import('#/components/chat/markdown'))

interface ConversationRowProps {
  row: Row
  session: Session
  isOpen: boolean
  /** True if the list of set-up events is open. */
  isSetUpOpen: boolean
  /** The seq that the URL points at, if it is in this row. */
  target: number | undefined
  /** True for the row that the Tab key reaches. */
  isStop: boolean
  onToggle: (seq: number) => void
  onToggleSetUp: (seq: number) => void
}

/** One row of the conversation, with the set-up events before it and a summary of its turn. */
export const ConversationRow = memo(function ConversationRow(props: ConversationRowProps) {
  const { row, isSetUpOpen, target, isStop, onToggleSetUp } = props
  const { event, turn, before } = row
  return (
    <>
      <SetUp
        events={before}
        isOpen={isSetUpOpen}
        target={target}
        onToggle={() => onToggleSetUp(event.seq)}
      />
      <article
        {...rowProps(event, isStop, target !== undefined)}
        className="group -mx-2 rounded-lg px-2 py-0.5 data-target:bg-accent-soft"
      >
        <Content {...props} />
      </article>
      {turn && row.type === 'prompt' && (
        <Turn
          turn={turn}
          isOpen={isSetUpOpen && before.length === 0}
          target={target}
          onToggle={() => onToggleSetUp(event.seq)}
        />
      )}
    </>
  )
})

function Content({ row, session, isOpen, onToggle }: ConversationRowProps) {
  const { event, type } = row
  const toggle = () => onToggle(event.seq)
  switch (type) {
    case 'prompt':
      return <Prompt event={event} isOpen={isOpen} onToggle={toggle} />
    case 'answer':
      return <Answer event={event} />
    case 'reasoning':
      return <Reasoning event={event} isOpen={isOpen} onToggle={toggle} />
    case 'tool':
      return <ToolRow row={row} session={session} isOpen={isOpen} onToggle={toggle} />
    case 'change':
      return (
        <DiffCards event={event} root={session.workspaceRoot} isOpen={isOpen} onToggle={toggle} />
      )
    case 'result':
      return (
        <Fold event={event} label="Result" isOpen={isOpen} onToggle={toggle}>
          <Output text={event.text ?? ''} label="Result" />
        </Fold>
      )
    case 'notice':
      return <NoticeLine event={event} />
  }
}

interface FoldProps {
  event: TimelineEvent
  isOpen: boolean
  onToggle: () => void
}

const isLong = (text: string) => text.length > 1_200 || text.split('\n', 16).length > 15

/** A prompt of a person, or of an agent to its sub-agent. */
function Prompt({ event, isOpen, onToggle }: FoldProps) {
  const text = event.text ?? ''
  const folds = isLong(text)
  return (
    <div className="my-1.5 rounded-xl bg-accent-soft/70 px-3.5 py-2.5 group-data-target:bg-accent-soft">
      <div className="flex items-center gap-2 text-xs">
        <span className="flex-1 font-semibold text-accent-text">
          {event.role === 'agent' ? 'Agent' : eventName(event)}
          {event.data.queued === true && (
            <span className="ml-1.5 font-normal text-muted-foreground">queued</span>
          )}
        </span>
        <RowActions event={event} />
      </div>
      <p
        className={cn(
          'text-sm leading-6 break-words whitespace-pre-wrap',
          folds && !isOpen && 'line-clamp-[12]',
        )}
      >
        {text}
      </p>
      {folds && <ShowMore isOpen={isOpen} onToggle={onToggle} />}
      {(!folds || isOpen) && <WholeText event={event} />}
    </div>
  )
}

/** An answer as formatted text. It is plain until the browser has time to format it. */
function Answer({ event }: { event: TimelineEvent }) {
  const text = (event.text ?? '').trim()
  const formats = useDeferredValue(true, false)
  const plain = <p className="whitespace-pre-wrap">{text}</p>
  return (
    <div className="py-1">
      <div className="float-right ml-2">
        <RowActions event={event} />
      </div>
      <div
        className="markdown max-w-[76ch] text-sm leading-6 break-words [&_pre]:whitespace-pre-wrap"
        data-testid="answer"
      >
        {formats ? (
          <Suspense fallback={plain}>
            <Markdown content={text} />
            <NoTabStops />
          </Suspense>
        ) : (
          plain
        )}
      </div>
      <WholeText event={event} />
    </div>
  )
}

/** The arrow keys reach links: a row is at most one stop of the Tab key. */
function NoTabStops() {
  const place = useRef<HTMLSpanElement>(null)
  useEffect(() => {
    const formatted = place.current?.parentElement?.querySelectorAll<HTMLElement>('a, pre') ?? []
    for (const element of formatted) element.tabIndex = -1
  })
  return <span ref={place} hidden />
}

function Reasoning({ event, isOpen, onToggle }: FoldProps) {
  const text = (event.text ?? '').replace(/^(?:\\n|\s)+/, '')
  const title = event.title ?? firstLine(text).replaceAll(/\*\*|^#+ /g, '')
  return (
    <Fold
      event={event}
      icon={Brain}
      label={title || 'Reasoning'}
      isOpen={isOpen}
      onToggle={onToggle}
    >
      <p className="mt-1 max-w-[76ch] border-l-2 pl-3 text-[13px] leading-6 break-words whitespace-pre-wrap text-muted-foreground">
        {text}
      </p>
    </Fold>
  )
}

interface FoldLineProps extends FoldProps {
  icon?: typeof Brain
  label: string
  children: ReactNode
}

function Fold({ event, icon: Icon = Settings2, label, isOpen, onToggle, children }: FoldLineProps) {
  return (
    <div>
      <div className="flex items-center gap-2">
        <FoldButton seq={event.seq} isOpen={isOpen} onToggle={onToggle}>
          <Icon className="size-3.5 shrink-0" aria-hidden />
          <span className="min-w-0 truncate italic">{label}</span>
        </FoldButton>
        <RowActions event={event} />
      </div>
      {isOpen && <div className="pl-5.5">{children}</div>}
    </div>
  )
}

/** An error, an interruption or a compaction, across the conversation. */
function NoticeLine({ event }: { event: TimelineEvent }) {
  const isError = event.data.isError === true || /error/i.test(event.title ?? '')
  const title = event.title ?? 'Notice'
  return (
    <div
      className={cn(
        'flex items-start gap-2 py-1 text-xs',
        isError ? 'text-danger' : 'text-muted-foreground',
      )}
    >
      <CircleAlert className="mt-0.5 size-3.5 shrink-0" aria-hidden />
      <p className="min-w-0 flex-1 break-words">
        <span className="font-medium first-letter:uppercase">{title}</span>
        {event.text && ` · ${firstLine(event.text).slice(0, 300)}`}
      </p>
    </div>
  )
}

interface TurnProps {
  turn: ConversationTurn
  isOpen: boolean
  target: number | undefined
  onToggle: () => void
}

/** The summary of a turn in one line, below its prompt. */
function Turn({ turn, isOpen, target, onToggle }: TurnProps) {
  const { durationMs, model, outputTokens, toolCalls, failedCalls, filesChanged, folded } = turn
  const facts = turn.isComplete
    ? [
        durationMs !== null && durationMs > 0 && duration(durationMs),
        model,
        toolCalls > 0 && count(toolCalls, 'tool call'),
        filesChanged > 0 && `${count(filesChanged, 'file')} changed`,
        outputTokens !== null && outputTokens > 0 && `${short(outputTokens)} tokens`,
      ].filter(Boolean)
    : []
  if (facts.length === 0 && failedCalls === 0 && folded.length === 0) return null
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-1.5 gap-y-0.5 pb-1.5 text-xs text-muted-foreground">
        <span data-testid="turn">
          {facts.join(' · ')}
          {failedCalls > 0 && turn.isComplete && (
            <>
              {facts.length > 0 && ' · '}
              <span className="text-danger">{failedCalls} failed</span>
            </>
          )}
        </span>
        {folded.length > 0 && (
          <>
            {facts.length > 0 && <span aria-hidden>·</span>}
            <FoldedButton events={folded} isOpen={isOpen} onToggle={onToggle} />
          </>
        )}
      </div>
      {isOpen && <FoldedList events={folded} target={target} />}
    </>
  )
}

interface SetUpProps {
  events: readonly TimelineEvent[]
  isOpen: boolean
  target: number | undefined
  onToggle: () => void
}

/** The events before the first prompt. */
function SetUp({ events, isOpen, target, onToggle }: SetUpProps) {
  if (events.length === 0) return null
  return (
    <div className="pt-1 pb-1.5 text-xs text-muted-foreground">
      <FoldedButton events={events} isOpen={isOpen} onToggle={onToggle} />
      {isOpen && <FoldedList events={events} target={target} />}
    </div>
  )
}

function FoldedButton({ events, isOpen, onToggle }: Omit<SetUpProps, 'target'>) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-expanded={isOpen}
      data-testid="set-up"
      onClick={onToggle}
      className="inline-flex items-center gap-1 rounded hover:text-foreground"
    >
      {foldedTitle(events)}
      <ChevronRight
        className={cn('size-3 transition-transform', isOpen && 'rotate-90')}
        aria-hidden
      />
    </button>
  )
}

const branches: Readonly<Record<string, string>> = {
  abandoned: 'on a branch not continued',
  rewound: 'taken back',
  replayed: 'repeated from the parent session',
}

/** `14 set-up events, 3 taken back`. */
function foldedTitle(events: readonly TimelineEvent[]): string {
  const names = events.map(({ fold }) => branches[fold ?? ''] ?? 'set-up')
  return [...new Set(names)]
    .map((name) => {
      const quantity = names.filter((other) => other === name).length
      return name === 'set-up' ? count(quantity, 'set-up event') : `${quantity} ${name}`
    })
    .join(', ')
}

/** Folded events that are rendered. */
const MAX_FOLDED = 200

function FoldedList({ events, target }: Pick<SetUpProps, 'events' | 'target'>) {
  return (
    <ol className="mt-1 mb-2 rounded-lg border bg-surface py-1" data-testid="set-up-events">
      {events.slice(0, MAX_FOLDED).map((event) => (
        <li
          key={event.id}
          data-target={event.seq === target || undefined}
          className="flex items-baseline gap-2 px-2.5 py-0.5 data-target:bg-accent-soft"
        >
          <span className="w-8 shrink-0 text-right tabular-nums">#{event.seq}</span>
          <span className="shrink-0 font-medium text-foreground">
            {event.title ?? eventName(event)}
          </span>
          <span className="min-w-0 flex-1 truncate">{firstLine(event.text ?? '')}</span>
          {event.occurredAt && (
            <time className="shrink-0 tabular-nums" dateTime={event.occurredAt.toISOString()}>
              {preciseTime(event.occurredAt)}
            </time>
          )}
        </li>
      ))}
      {events.length > MAX_FOLDED && (
        <li className="px-2.5 py-0.5">{count(events.length - MAX_FOLDED, 'more event')}</li>
      )}
    </ol>
  )
}
