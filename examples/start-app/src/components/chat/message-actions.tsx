import type { ChatMessage } from '@org/session-db'
import { Check, Copy, type LucideIcon, Pencil, RefreshCw, Trash2 } from 'lucide-react'
import { Button } from '#/components/ui/button'
import { Tooltip } from '#/components/ui/tooltip'
import { useRemovals } from '#/components/undo'
import { questionOf } from '#/lib/message-notes'
import { useCopied } from '#/lib/use-copied'
import { useAnswers } from './use-answers'

interface MessageActionsProps {
  message: ChatMessage
  onEdit?: () => void
  canDelete: boolean
}

export function MessageActions({ message, onEdit, canDelete }: MessageActionsProps) {
  const { remove } = useRemovals()
  const { again } = useAnswers()
  const [copied, copy] = useCopied(2_000)
  const { id } = message
  const question = message.role === 'assistant' ? questionOf(message) : null

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
      <Action
        label={copied ? 'Copied' : 'Copy'}
        name="Copy message"
        testId={`copy-${id}`}
        icon={copied ? Check : Copy}
        onClick={() => copy(message.content)}
      />
      {question !== null && (
        <Action
          label="Answer again"
          name="Answer again"
          testId={`regenerate-${id}`}
          icon={RefreshCw}
          onClick={() => again(message, question)}
        />
      )}
      {onEdit && (
        <Action
          label="Edit"
          name="Edit message"
          testId={`edit-${id}`}
          icon={Pencil}
          onClick={onEdit}
        />
      )}
      {canDelete && (
        <Action
          label="Delete"
          name="Delete message"
          testId={`delete-${id}`}
          icon={Trash2}
          onClick={removeMessage}
        />
      )}
    </div>
  )
}

interface ActionProps {
  label: string
  name: string
  testId: string
  icon: LucideIcon
  onClick: () => void
}

function Action({ label, name, testId, icon: Icon, onClick }: ActionProps) {
  return (
    <Tooltip label={label}>
      <Button
        variant="ghost"
        size="icon"
        className="[&_svg]:size-3.5"
        aria-label={name}
        data-testid={testId}
        onClick={onClick}
      >
        <Icon />
      </Button>
    </Tooltip>
  )
}
