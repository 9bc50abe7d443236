import type { ChatThread } from '@org/session-db'
import { Archive, Eraser, Pencil, Play, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { TitleDialog } from '#/components/ui/later-dialogs'
import { Menu, MenuItem, MenuSeparator } from '#/components/ui/menu'
import { MoreButton } from '#/components/ui/more-button'
import { useRemovals } from '#/components/undo'

/** The menu of a thread. */
export function ThreadMenu({ thread, ownSession }: { thread: ChatThread; ownSession: boolean }) {
  const { db } = useSessionDb()
  const report = useReport()
  const { remove } = useRemovals()
  const [renaming, setRenaming] = useState(false)
  const { id, title } = thread

  function removeThread() {
    remove({
      collection: 'chatThreads',
      ids: [id],
      title: 'Thread deleted',
      failure: 'The thread was not deleted',
    })
  }

  async function removeMessages() {
    const { messages } = db.thread(thread)
    await messages.preload()
    const ids = messages.toArray.map((message) => message.id)
    remove({
      collection: 'chatMessages',
      ids,
      title: 'All messages removed',
      failure: 'The messages were not removed',
    })
  }

  return (
    <>
      <Menu
        trigger={
          <MoreButton
            aria-label={`Actions for ${title}`}
            data-testid={`thread-menu-${id}`}
            // The row is one stop of the Tab key; an arrow leads here.
            tabIndex={-1}
            className="relative"
          />
        }
      >
        <MenuItem data-testid="rename-thread" onSelect={() => setRenaming(true)}>
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
        {ownSession && thread.messageCount > 0 && (
          <MenuItem data-testid="reset-thread" onSelect={removeMessages}>
            <Eraser /> Remove all messages
          </MenuItem>
        )}
        <MenuSeparator />
        <MenuItem danger data-testid="delete-thread" onSelect={removeThread}>
          <Trash2 /> Delete
        </MenuItem>
      </Menu>
      {renaming && (
        <TitleDialog
          title="Rename thread"
          description="Everyone who sees the session sees the new title."
          initial={title}
          action="Save"
          onClose={() => setRenaming(false)}
          onSubmit={(next) =>
            report('The thread was not renamed', db.actions.renameThread(id, next))
          }
        />
      )}
    </>
  )
}
