import type { ChatThread } from '@org/session-db'
import { ChevronDown } from 'lucide-react'
import { useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { Badge } from '#/components/ui/badge'
import { cn } from '#/lib/cn'
import { count, shortTime } from '#/lib/format'
import { moveInRows } from '#/lib/row-keys'
import { ThreadMenu } from './thread-menu'

interface ThreadListProps {
  threads: readonly ChatThread[]
  /** Threads that another user has just changed. */
  changed: ReadonlySet<string>
  chosenId: string | undefined
  onChoose: (id: string) => void
  ownSession: boolean
}

export function ThreadList({ threads, changed, chosenId, onChoose, ownSession }: ThreadListProps) {
  const { user } = useSessionDb()
  // On a small screen the list is a dropdown.
  const [isOpen, setIsOpen] = useState(false)
  const chosen = threads.find(({ id }) => id === chosenId)
  return (
    <>
      {threads.length > 0 && (
        <button
          type="button"
          aria-expanded={isOpen}
          data-testid="thread-dropdown"
          onClick={() => setIsOpen(!isOpen)}
          className="mx-2 mb-2 flex h-9 shrink-0 items-center gap-2 rounded-lg border px-2.5 text-[13px] sm:hidden"
        >
          <span className="min-w-0 flex-1 truncate text-left font-medium">
            {chosen?.title ?? 'New thread'}
          </span>
          <span className="text-xs text-muted-foreground">{count(threads.length, 'thread')}</span>
          <ChevronDown className="size-4 text-muted-foreground" aria-hidden />
        </button>
      )}
      <ul
        data-testid="thread-list"
        aria-label="Threads"
        onKeyDown={moveInRows}
        className={cn(
          'max-h-44 shrink-0 space-y-0.5 overflow-y-auto px-2 pb-2 empty:hidden',
          !isOpen && 'max-sm:hidden',
        )}
      >
        {threads.map((thread) => (
          <li
            key={thread.id}
            data-testid={`thread-${thread.id}`}
            data-status={thread.status}
            data-selected={thread.id === chosenId || undefined}
            data-changed={changed.has(thread.id) || undefined}
            className="changed-row group relative flex items-center gap-1 rounded-lg py-1.5 pr-1 pl-2.5 hover:bg-muted data-selected:bg-accent-soft"
          >
            <ThreadSummary
              thread={thread}
              chosen={thread.id === chosenId}
              onChoose={() => {
                setIsOpen(false)
                onChoose(thread.id)
              }}
            />
            {/* The server decides. This only hides what it would refuse. */}
            {(ownSession || thread.createdBy === user.id) && (
              <ThreadMenu thread={thread} ownSession={ownSession} />
            )}
          </li>
        ))}
      </ul>
    </>
  )
}

interface ThreadSummaryProps {
  thread: ChatThread
  chosen: boolean
  onChoose: () => void
}

function ThreadSummary({ thread, chosen, onChoose }: ThreadSummaryProps) {
  const { title, status, messageCount, lastMessageAt, lastMessagePreview } = thread
  const facts = [
    count(messageCount, 'message'),
    lastMessageAt && shortTime(lastMessageAt),
    lastMessagePreview,
  ].filter(Boolean)
  return (
    <div className="min-w-0 flex-1">
      <div className="flex items-center gap-2">
        <button
          type="button"
          aria-current={chosen || undefined}
          onClick={onChoose}
          className="truncate text-[13px] font-medium after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
        >
          {title}
        </button>
        {status === 'active' ? <Badge tone="accent">Active</Badge> : <Badge>Archived</Badge>}
      </div>
      <p className="truncate text-xs text-muted-foreground" data-testid="thread-preview">
        {messageCount === 0 ? 'No messages yet' : facts.join(' · ')}
      </p>
    </div>
  )
}
