import type { ChatThread } from '@org/session-db'
import { Archive, EllipsisVertical, Pencil, Play, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { count, shortTime } from '#/lib/format'
import { useReport, useSessionDb } from './session-db'
import { Badge } from './ui/badge'
import { Button } from './ui/button'
import { ConfirmDialog, TitleDialog } from './ui/dialog'
import { Menu, MenuItem, MenuSeparator } from './ui/menu'

interface ThreadListProps {
  threads: readonly ChatThread[]
  chosenId: string | undefined
  onChoose: (id: string) => void
  /** The server decides; this only spares the user what it would refuse. */
  canChange: (thread: ChatThread) => boolean
}

export function ThreadList({ threads, chosenId, onChoose, canChange }: ThreadListProps) {
  return (
    <ul
      data-testid="thread-list"
      aria-label="Threads"
      className="max-h-44 shrink-0 space-y-0.5 overflow-y-auto px-2 pb-2 empty:hidden"
    >
      {threads.map((thread) => (
        <ThreadItem
          key={thread.id}
          thread={thread}
          chosen={thread.id === chosenId}
          onChoose={() => onChoose(thread.id)}
          canChange={canChange(thread)}
        />
      ))}
    </ul>
  )
}

interface ThreadItemProps {
  thread: ChatThread
  chosen: boolean
  onChoose: () => void
  canChange: boolean
}

function ThreadItem({ thread, chosen, onChoose, canChange }: ThreadItemProps) {
  const active = thread.status === 'active'
  return (
    <li
      data-testid={`thread-${thread.id}`}
      data-status={thread.status}
      data-selected={chosen || undefined}
      className="group relative flex items-center gap-1 rounded-lg py-1.5 pr-1 pl-2.5 hover:bg-muted data-selected:bg-accent-soft"
    >
      <div className="min-w-0 flex-1">
        <div className="flex items-center gap-2">
          <button
            type="button"
            aria-current={chosen || undefined}
            onClick={onChoose}
            className="truncate text-[13px] font-medium after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
          >
            {thread.title}
          </button>
          {active ? <Badge tone="accent">Active</Badge> : <Badge>Archived</Badge>}
        </div>
        <p className="truncate text-xs text-muted-foreground">
          {thread.messageCount === 0
            ? 'No messages yet'
            : `${count(thread.messageCount, 'message')}${thread.lastMessageAt ? ` · ${shortTime(thread.lastMessageAt)}` : ''} · ${thread.lastMessagePreview ?? ''}`}
        </p>
      </div>
      {canChange && <ThreadMenu thread={thread} />}
    </li>
  )
}

function ThreadMenu({ thread }: { thread: ChatThread }) {
  const { db } = useSessionDb()
  const report = useReport()
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null)
  const { id, title } = thread
  const close = () => setDialog(null)
  return (
    <>
      <Menu
        trigger={
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Actions for ${title}`}
            data-testid={`thread-menu-${id}`}
            className="relative"
          >
            <EllipsisVertical />
          </Button>
        }
      >
        <MenuItem data-testid="rename-thread" onSelect={() => setDialog('rename')}>
          <Pencil /> Rename
        </MenuItem>
        {thread.status === 'active' ? (
          <MenuItem
            data-testid="archive-thread"
            onSelect={() => report('The thread was not archived', db.actions.archiveThread(id))}
          >
            <Archive /> Archive
          </MenuItem>
        ) : (
          <MenuItem
            data-testid="activate-thread"
            onSelect={() => report('The thread was not made active', db.actions.activateThread(id))}
          >
            <Play /> Make active
          </MenuItem>
        )}
        <MenuSeparator />
        <MenuItem danger data-testid="delete-thread" onSelect={() => setDialog('delete')}>
          <Trash2 /> Delete
        </MenuItem>
      </Menu>
      {dialog === 'rename' && (
        <TitleDialog
          title="Rename thread"
          description="Everyone who sees the session sees the new title."
          initial={title}
          action="Save"
          onClose={close}
          onSubmit={(next) =>
            report('The thread was not renamed', db.actions.renameThread(id, next))
          }
        />
      )}
      {dialog === 'delete' && (
        <ConfirmDialog
          title="Delete this thread?"
          description={`“${title}” and its ${count(thread.messageCount, 'message')} go for everyone.`}
          action="Delete"
          onClose={close}
          onConfirm={() => report('The thread was not deleted', db.actions.deleteThread(id))}
        />
      )}
    </>
  )
}
