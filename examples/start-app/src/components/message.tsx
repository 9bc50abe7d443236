import type { ChatMessage } from '@org/session-db'
import { Pencil, Trash2 } from 'lucide-react'
import { type KeyboardEvent, memo, useState } from 'react'
import { cn } from '#/lib/cn'
import { userName } from '#/lib/demo-users'
import { fullTime, shortTime } from '#/lib/format'
import { Avatar } from './avatar'
import { useReport, useSessionDb } from './session-db'
import { Button } from './ui/button'
import { ConfirmDialog } from './ui/dialog'
import { Tooltip } from './ui/tooltip'

const roleNames = { assistant: 'Assistant', system: 'System', tool: 'Tool' }

interface MessageProps {
  message: ChatMessage
  canEdit: boolean
  canDelete: boolean
}

export const Message = memo(function Message({ message, canEdit, canDelete }: MessageProps) {
  const [editing, setEditing] = useState(false)
  const name = message.role === 'user' ? userName(message.authorId) : roleNames[message.role]
  return (
    <article
      data-testid={`message-${message.id}`}
      data-role={message.role}
      className={cn(
        'group relative flex gap-2.5 px-3 py-2.5',
        message.role !== 'user' && 'bg-muted/50',
      )}
    >
      <Avatar name={name} role={message.role} />
      <div className="min-w-0 flex-1">
        <p className="flex h-7 items-center gap-2 text-[13px]">
          <span className="font-medium">{name}</span>
          <time
            dateTime={message.createdAt.toISOString()}
            title={fullTime(message.createdAt)}
            className="text-[11px] text-muted-foreground"
          >
            {shortTime(message.createdAt)}
          </time>
          {message.status === 'error' && <span className="text-[11px] text-danger">failed</span>}
        </p>
        {editing ? (
          <Editor message={message} onClose={() => setEditing(false)} />
        ) : (
          <p
            data-testid="message-content"
            className="text-sm leading-6 break-words whitespace-pre-wrap"
          >
            {message.content}
          </p>
        )}
      </div>
      {!editing && (canEdit || canDelete) && (
        <div className="absolute top-1.5 right-2 flex rounded-lg border bg-raised opacity-0 shadow-xs transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100">
          {canEdit && <EditButton id={message.id} onEdit={() => setEditing(true)} />}
          {canDelete && <DeleteButton id={message.id} />}
        </div>
      )}
    </article>
  )
})

function EditButton({ id, onEdit }: { id: string; onEdit: () => void }) {
  return (
    <Tooltip label="Edit">
      <Button
        variant="ghost"
        size="icon"
        className="[&_svg]:size-3.5"
        aria-label="Edit message"
        data-testid={`edit-${id}`}
        onClick={onEdit}
      >
        <Pencil />
      </Button>
    </Tooltip>
  )
}

function DeleteButton({ id }: { id: string }) {
  const { db } = useSessionDb()
  const report = useReport()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Tooltip label="Delete">
        <Button
          variant="ghost"
          size="icon"
          className="[&_svg]:size-3.5"
          aria-label="Delete message"
          data-testid={`delete-${id}`}
          onClick={() => setAsking(true)}
        >
          <Trash2 />
        </Button>
      </Tooltip>
      {asking && (
        <ConfirmDialog
          title="Delete this message?"
          description="It goes for everyone in this thread."
          action="Delete"
          onClose={() => setAsking(false)}
          onConfirm={() => report('The message was not deleted', db.actions.deleteMessage(id))}
        />
      )}
    </>
  )
}

function Editor({ message, onClose }: { message: ChatMessage; onClose: () => void }) {
  const { db } = useSessionDb()
  const report = useReport()
  const [content, setContent] = useState(message.content)
  const [expectedVersion] = useState(message.version)

  function save() {
    if (content.trim() === '') return
    if (content !== message.content) {
      const write = db.actions.updateMessage(message.id, { content }, { expectedVersion })
      report('The message was not changed', write)
    }
    onClose()
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') onClose()
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    save()
  }

  return (
    <div className="space-y-2 pt-1">
      <textarea
        // biome-ignore lint/a11y/noAutofocus: the user has just asked to type here
        autoFocus
        aria-label="Message text"
        data-testid="edit-input"
        value={content}
        onChange={(event) => setContent(event.target.value)}
        onKeyDown={onKeyDown}
        className="field-sizing-content max-h-64 w-full resize-none rounded-lg border bg-background px-3 py-2 text-sm leading-6"
      />
      <div className="flex gap-2">
        <Button
          size="sm"
          variant="primary"
          data-testid="edit-save"
          disabled={content.trim() === ''}
          onClick={save}
        >
          Save
        </Button>
        <Button size="sm" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </div>
  )
}
