import { ilike, useLiveQuery } from '@tanstack/react-db'
import { useNavigate } from '@tanstack/react-router'
import { FileText, MessageSquare, Rows3, Search } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useId, useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { Dialog } from '#/components/ui/dialog'
import { Highlighted } from '#/components/ui/highlighted'
import { useRemovals } from '#/components/undo'
import { cn } from '#/lib/cn'
import { matchesOf } from '#/lib/matches'
import type { SessionListSearch } from '#/lib/session-search'
import { placeOf, useHits } from './use-hits'

/** Sessions that are listed. */
const MAX_SESSIONS = 6

interface Entry {
  readonly key: string
  readonly icon: typeof FileText
  readonly title: ReactNode
  readonly text?: ReactNode
  readonly open: () => void
}

/** Searches sessions, events and messages. Arrow keys choose, Enter opens. */
export default function PaletteDialog({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('')
  const [chosen, setChosen] = useState(0)
  const id = useId()
  const sessions = useSessionEntries(query)
  const { entries: hits, state, retry } = useHitEntries(query)
  const entries = [...sessions, ...hits]
  const active = entries[Math.min(chosen, entries.length - 1)]

  function open(entry: Entry | undefined) {
    if (entry === undefined) return
    entry.open()
    onClose()
  }

  function onKeyDown(event: KeyboardEvent) {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && entries.length > 0) {
      const from = Math.min(chosen, entries.length - 1)
      setChosen((from + step + entries.length) % entries.length)
      event.preventDefault()
    }
    if (event.key === 'Enter') {
      event.preventDefault()
      open(active)
    }
  }

  const list = (label: string, part: readonly Entry[]) =>
    part.length > 0 && (
      // biome-ignore lint/a11y/useSemanticElements: a group of options, which no element is
      <div role="group" aria-label={label}>
        <p className="px-2 pt-2 pb-1 text-xs font-medium text-muted-foreground" aria-hidden>
          {label}
        </p>
        {part.map((entry) => (
          <Option
            key={entry.key}
            id={`${id}-${entry.key}`}
            entry={entry}
            isActive={entry === active}
            onOpen={() => open(entry)}
          />
        ))}
      </div>
    )

  return (
    <Dialog
      title="Search"
      description="Sessions, their events, and chat messages."
      onClose={onClose}
    >
      <div className="relative mt-3 flex items-center">
        <Search className="absolute left-2.5 size-4 text-muted-foreground" aria-hidden />
        <input
          role="combobox"
          aria-label="Search everything"
          aria-expanded
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={active && `${id}-${active.key}`}
          data-testid="palette"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value)
            setChosen(0)
          }}
          onKeyDown={onKeyDown}
          autoComplete="off"
          className="h-10 w-full rounded-lg border bg-background pr-3 pl-8 text-sm"
        />
      </div>
      <div
        id={id}
        role="listbox"
        aria-label="Results"
        tabIndex={-1}
        className="-mx-2 mt-1 max-h-[50vh] overflow-y-auto outline-none"
      >
        {list('Sessions', sessions)}
        {list('Events and messages', hits)}
      </div>
      <p role="status" className="mt-2 text-xs text-muted-foreground">
        {state}
        {retry && (
          <button type="button" onClick={retry} className="ml-1 font-medium underline">
            Search again
          </button>
        )}
      </p>
    </Dialog>
  )
}

interface OptionProps {
  id: string
  entry: Entry
  isActive: boolean
  onOpen: () => void
}

function Option({ id, entry, isActive, onOpen }: OptionProps) {
  const { icon: Icon, title, text } = entry
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
    <div
      ref={(element) => void (isActive && element?.scrollIntoView({ block: 'nearest' }))}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isActive}
      data-testid="palette-option"
      onClick={onOpen}
      className={cn(
        'flex cursor-pointer gap-2.5 rounded-lg px-2 py-1.5 text-[13px] hover:bg-muted',
        isActive && 'bg-accent-soft',
      )}
    >
      <Icon className="mt-0.5 size-4 shrink-0 text-muted-foreground" aria-hidden />
      <span className="min-w-0 flex-1">
        <span className="block truncate font-medium">{title}</span>
        {text && (
          <span className="line-clamp-2 text-xs break-words text-muted-foreground">{text}</span>
        )}
      </span>
    </div>
  )
}

/** Sessions by title, or the newest ones. */
function useSessionEntries(query: string): Entry[] {
  const { db } = useSessionDb()
  const { removed } = useRemovals()
  const navigate = useNavigate()
  const text = query.trim()
  const { data } = useLiveQuery({
    query: (q) => {
      const all = q.from({ session: db.sessions })
      const pattern = `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
      const found = text === '' ? all : all.where(({ session }) => ilike(session.title, pattern))
      return found.orderBy(({ session }) => session.createdAt, 'desc').limit(MAX_SESSIONS)
    },
  })
  return data
    .filter(({ id }) => !removed.has(id))
    .map(({ id, title, repoLabel }) => ({
      key: `session-${id}`,
      icon: Rows3,
      title: <Highlighted text={title} matches={matchesOf(title, text)} />,
      text: repoLabel ?? undefined,
      open: () =>
        navigate({ to: '/sessions/$sessionId', params: { sessionId: id }, search: keepList }),
    }))
}

function useHitEntries(query: string): {
  entries: Entry[]
  state: string
  /** Set after a failure. */
  retry: (() => void) | undefined
} {
  const navigate = useNavigate()
  const { hits, count, isPartial, failure, isCurrent, retry } = useHits(query.trim())
  const state =
    query.trim() === ''
      ? 'Arrow keys choose, Enter opens.'
      : failure !== null
        ? `The search failed: ${failure}`
        : !isCurrent
          ? 'Searching …'
          : `${isPartial ? 'More than ' : ''}${count.toLocaleString()} in events and messages`
  return {
    state,
    retry: failure === null ? undefined : retry,
    entries: hits.map((hit) => ({
      key: `${hit.source}-${hit.id}`,
      icon: hit.source === 'event' ? FileText : MessageSquare,
      title: hit.sessionTitle,
      text: <Highlighted text={hit.snippet.text} matches={hit.snippet.matches} />,
      open: () =>
        navigate({
          to: '/sessions/$sessionId',
          params: { sessionId: hit.sessionId },
          search: (list) => ({ ...keepList(list), ...placeOf(hit) }),
        }),
    })),
  }
}

const keepList = ({ q, format, repo, status }: SessionListSearch): SessionListSearch => ({
  ...(q && { q }),
  ...(format && { format }),
  ...(repo && { repo }),
  ...(status && { status }),
})
