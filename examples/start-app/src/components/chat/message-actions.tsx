import type { ChatMessage } from '@org/session-db'
import { Pencil, Trash2 } from 'lucide-react'
import { Button } from '#/components/ui/button'
import { Tooltip } from '#/components/ui/tooltip'
import { useRemovals } from '#/components/undo'

interface MessageActionsProps {
  message: ChatMessage
  onEdit?: () => void
  canDelete: boolean
}

export function MessageActions({ message, onEdit, canDelete }: MessageActionsProps) {
  const { remove } = useRemovals()
  const { id } = message

  function removeMessage() {
    remove({
      collection: 'chatMessages',
      ids: [id],
      title: 'Message deleted',
      failure: 'The message was not deleted',
    })
  }

  return (
    <div className="absolute top-1.5 right-2 flex rounded-lg border bg-raised opacity-0 shadow-xs transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100">
      {onEdit && (
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
      )}
      {canDelete && (
        <Tooltip label="Delete">
          <Button
            variant="ghost"
            size="icon"
            className="[&_svg]:size-3.5"
            aria-label="Delete message"
            data-testid={`delete-${id}`}
            onClick={removeMessage}
          >
            <Trash2 />
          </Button>
        </Tooltip>
      )}
    </div>
  )
}
