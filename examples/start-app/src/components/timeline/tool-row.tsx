import {
  type ConversationRow,
  describeToolCall,
  fileDiffs,
  type JsonObject,
  type Session,
  type ToolAction,
  toolOutcome,
} from '@org/session-db'
import {
  Bot,
  ChevronRight,
  FilePen,
  FilePlus2,
  FileText,
  Globe,
  ListTodo,
  type LucideIcon,
  MessageCircleQuestion,
  Search,
  Terminal,
  Wrench,
} from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Highlighted } from '#/components/ui/highlighted'
import { cn } from '#/lib/cn'
import { count, duration } from '#/lib/format'
import { matchesOf } from '#/lib/matches'
import { DiffCards } from './diff-card'
import { RowActions } from './row-actions'
import { ShowMore } from './show-more'

const looks: Record<ToolAction, { verb: string; icon: LucideIcon }> = {
  run: { verb: 'Ran', icon: Terminal },
  read: { verb: 'Read', icon: FileText },
  write: { verb: 'Wrote', icon: FilePlus2 },
  edit: { verb: 'Edited', icon: FilePen },
  search: { verb: 'Searched', icon: Search },
  fetch: { verb: 'Fetched', icon: Globe },
  plan: { verb: 'Planned', icon: ListTodo },
  agent: { verb: 'Delegated', icon: Bot },
  ask: { verb: 'Asked', icon: MessageCircleQuestion },
  other: { verb: 'Used', icon: Wrench },
}

interface ToolRowProps {
  row: ConversationRow
  session: Session
  isOpen: boolean
  onToggle: () => void
}

/** A tool call as one line: what it did, and how it ended. Its output unfolds. */
export function ToolRow({ row, session, isOpen, onToggle }: ToolRowProps) {
  const { event, results, changes, agent } = row
  const { action, subject, description } = describeToolCall(event, session.workspaceRoot)
  const { isError, exitCode, output } = toolOutcome(results)
  const { verb, icon: Icon } = looks[action]
  const tool = action === 'other' ? toolTitle(event.toolName) : undefined
  const tookMs = timeOf(row)
  // The diff replaces the line of the call. Some agents log what they write only in the call.
  const changed =
    changes.length > 0 || results.length === 0 || fileDiffs(event).length === 0 ? changes : [event]
  if (changed.length > 0 && !isError) {
    return (
      <div className="flex items-start gap-2 py-0.5">
        <div className="min-w-0 flex-1 space-y-1.5">
          {changed.map((change) => (
            <DiffCards
              key={change.id}
              event={change}
              root={session.workspaceRoot}
              isOpen={isOpen}
              onToggle={onToggle}
            />
          ))}
        </div>
        <span className="pt-1">
          <RowActions event={event} />
        </span>
      </div>
    )
  }
  return (
    <div>
      <div className="flex items-center gap-2">
        <FoldButton seq={event.seq} isOpen={isOpen} onToggle={onToggle} isFailed={isError}>
          <Icon className={cn('size-3.5 shrink-0', isError && 'text-danger')} aria-hidden />
          <span className={cn('shrink-0', isError && 'text-danger')}>{verb}</span>
          {tool && <span className="max-w-40 shrink-0 truncate font-medium">{tool}</span>}
          <code className="min-w-0 truncate font-mono text-xs text-foreground" title={subject}>
            {isFile.has(action) ? shortPath(subject) : subject}
          </code>
          {isError && (
            <span className="shrink-0 rounded-md bg-danger-soft px-1.5 text-[11px] leading-4.5 font-medium text-danger">
              {exitCode ? `Exit ${exitCode}` : 'Failed'}
            </span>
          )}
          {tookMs !== undefined && tookMs >= 1_000 && (
            <span className="shrink-0 text-[11px] tabular-nums max-sm:hidden">
              {duration(tookMs)}
            </span>
          )}
        </FoldButton>
        <RowActions event={event} text={commandText(row)} />
      </div>
      {isOpen && (
        <div className="mb-1 pl-5.5">
          {description && <p className="mt-1 text-xs text-muted-foreground">{description}</p>}
          <Output text={commandText(row)} label="Input" />
          <Output text={output} label="Result" isError={isError} />
        </div>
      )}
      {agent.length > 0 && <SubAgent rows={agent} session={session} />}
    </div>
  )
}

interface FoldButtonProps {
  seq: number
  isOpen: boolean
  onToggle: () => void
  isFailed?: boolean
  children: ReactNode
}

/** The line of an event that unfolds. */
export function FoldButton({ seq, isOpen, onToggle, isFailed, children }: FoldButtonProps) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-expanded={isOpen}
      data-testid={`unfold-${seq}`}
      data-failed={isFailed || undefined}
      onClick={onToggle}
      className="flex h-6 min-w-0 flex-1 items-center gap-2 rounded text-left text-[13px] text-muted-foreground hover:text-foreground"
    >
      {children}
      <ChevronRight
        className={cn('size-3.5 shrink-0 transition-transform', isOpen && 'rotate-90')}
        aria-hidden
      />
    </button>
  )
}

const isFile: ReadonlySet<ToolAction> = new Set(['read', 'write', 'edit'])

/** The end of a long path: `…/src/app.ts`. */
function shortPath(path: string): string {
  const parts = path.split('/')
  return path.startsWith('/') && parts.length > 4 ? `…/${parts.slice(-2).join('/')}` : path
}

/** `mcp__browser__navigate` as `browser: navigate`. */
function toolTitle(name: string | null): string {
  return (name ?? 'a tool').replace(/^mcp__/, '').replace('__', ': ')
}

/** Time between the call and its last result, in ms. */
function timeOf({ event, results }: ConversationRow): number | undefined {
  const [start, end] = [event.occurredAt, results.at(-1)?.occurredAt]
  return start && end ? end.getTime() - start.getTime() : undefined
}

/** The whole command, or the input as the log has it. */
function commandText({ event: { data, text } }: ConversationRow): string {
  const { input } = data
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return text ?? ''
  const { cmd, command = cmd } = input as JsonObject
  if (typeof command === 'string') return command
  const values = Object.values(input)
  return values.length === 1 && typeof values[0] === 'string'
    ? values[0]
    : JSON.stringify(input, null, 2)
}

/** Lines of an output that are shown before it is opened as a whole. */
const SHOWN_LINES = 24
const SHOWN_CHARACTERS = 2_400

interface OutputProps {
  text: string
  label: string
  isError?: boolean
  /** Text to mark. With a match, the output is open as a whole. */
  query?: string
}

/** Output of a machine. It doesn't scroll by itself, which would be one more stop for the keyboard. */
export function Output({ text, label, isError = false, query = '' }: OutputProps) {
  const matches = matchesOf(text, query)
  const [isWhole, setWhole] = useState(matches.length > 0)
  if (text === '') return null
  const lines = text.split('\n')
  const isLong = lines.length > SHOWN_LINES + 4 || text.length > SHOWN_CHARACTERS + 400
  const part = lines.slice(0, SHOWN_LINES).join('\n').slice(0, SHOWN_CHARACTERS)
  return (
    <div className="mt-1.5">
      <pre
        title={label}
        className={cn(
          'rounded-lg border bg-surface px-3 py-2 font-mono text-xs leading-5 break-words whitespace-pre-wrap',
          isError && 'border-danger/40',
        )}
      >
        {isLong && !isWhole ? `${part} …` : <Highlighted text={text} matches={matches} />}
      </pre>
      {isLong && (
        <ShowMore
          isOpen={isWhole}
          onToggle={() => setWhole(!isWhole)}
          label={`Show all ${count(lines.length, 'line')}`}
        />
      )}
    </div>
  )
}

/** Rows of a sub-agent that are rendered when it is opened. */
const MAX_ROWS = 200

function SubAgent({ rows, session }: { rows: readonly ConversationRow[]; session: Session }) {
  const [isOpen, setOpen] = useState(false)
  const calls = rows.filter(({ type }) => type === 'tool').length
  return (
    <div className="mt-1 mb-1.5 ml-5.5 border-l-2 pl-3" data-testid="sub-agent">
      <button
        type="button"
        tabIndex={-1}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex items-center gap-1.5 rounded text-xs font-medium text-muted-foreground hover:text-foreground"
      >
        <ChevronRight
          className={cn('size-3.5 transition-transform', isOpen && 'rotate-90')}
          aria-hidden
        />
        Sub-agent · {count(rows.length, 'step')}
        {calls > 0 && ` · ${count(calls, 'tool call')}`}
      </button>
      {isOpen && (
        <ol className="mt-1 space-y-1">
          {rows.slice(0, MAX_ROWS).map((row) => (
            <li key={row.event.id}>
              <NestedRow row={row} session={session} />
            </li>
          ))}
          {rows.length > MAX_ROWS && (
            <li className="text-xs text-muted-foreground">
              {count(rows.length - MAX_ROWS, 'more step')} in “All events”.
            </li>
          )}
        </ol>
      )}
    </div>
  )
}

function NestedRow({ row, session }: { row: ConversationRow; session: Session }) {
  const [isOpen, setOpen] = useState(false)
  const toggle = () => setOpen(!isOpen)
  if (row.type === 'tool') {
    return (
      <div className="group">
        <ToolRow row={row} session={session} isOpen={isOpen} onToggle={toggle} />
      </div>
    )
  }
  if (row.type === 'change') {
    return (
      <DiffCards event={row.event} root={session.workspaceRoot} isOpen={isOpen} onToggle={toggle} />
    )
  }
  return (
    <p
      className={cn(
        'text-[13px] leading-5 break-words whitespace-pre-wrap',
        row.type !== 'answer' && 'line-clamp-4 text-muted-foreground',
      )}
    >
      {row.event.text ?? row.event.title}
    </p>
  )
}
