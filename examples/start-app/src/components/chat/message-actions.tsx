import { type ChatMessage, type MessageFeedback, messageFeedback } from '@org/session-db'
import {
  Check,
  Copy,
  type LucideIcon,
  MessageSquareText,
  Pencil,
  RefreshCw,
  ThumbsDown,
  ThumbsUp,
  Trash2,
} from 'lucide-react'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { Tooltip } from '#/components/ui/tooltip'
import { useRemovals } from '#/components/undo'
import { questionOf } from '#/lib/message-notes'
import { moveInRows } from '#/lib/row-keys'
import { useCopied } from '#/lib/use-copied'
import { useAnswers } from './use-answers'

interface MessageActionsProps {
  message: ChatMessage
  /** The user's own feedback on an answer. */
  feedback: MessageFeedback | undefined
  onComment: () => void
  onEdit?: () => void
  canDelete: boolean
}

export function MessageActions(props: MessageActionsProps) {
  const { message, feedback, onComment, onEdit, canDelete } = props
  const { db } = useSessionDb()
  const report = useReport()
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

  function rate(rating: 'up' | 'down') {
    const isTakenBack = feedback?.rating === rating
    const { rate: write } = messageFeedback(db, message.sessionId)
    report('Your rating was not stored', write(id, { rating: isTakenBack ? null : rating }))
    if (!isTakenBack && rating === 'down') onComment()
  }

  return (
    <div
      role="toolbar"
      aria-label="Actions"
      onKeyDown={moveInRows}
      className="absolute top-1.5 right-2 flex rounded-lg border bg-raised opacity-0 shadow-xs transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100"
    >
      <Action
        label={copied ? 'Copied' : 'Copy'}
        name="Copy message"
        testId={`copy-${id}`}
        icon={copied ? Check : Copy}
        isFirst
        onClick={() => copy(message.content)}
      />
      {message.role === 'assistant' && message.status === 'complete' && (
        <>
          <Action
            label="Good answer"
            name="Good answer"
            testId={`thumbs-up-${id}`}
            icon={ThumbsUp}
            isPressed={feedback?.rating === 'up'}
            onClick={() => rate('up')}
          />
          <Action
            label="Bad answer"
            name="Bad answer"
            testId={`thumbs-down-${id}`}
            icon={ThumbsDown}
            isPressed={feedback?.rating === 'down'}
            onClick={() => rate('down')}
          />
          <Action
            label="Comment for those who improve the answers"
            name="Comment on the answer"
            testId={`comment-${id}`}
            icon={MessageSquareText}
            onClick={onComment}
          />
        </>
      )}
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
  /** The first one is the stop of the Tab key; arrows lead to the others. */
  isFirst?: boolean
  isPressed?: boolean
  onClick: () => void
}

function Action(props: ActionProps) {
  const { label, name, testId, icon: Icon, isFirst = false, isPressed, onClick } = props
  return (
    <Tooltip label={label}>
      <Button
        variant="ghost"
        size="icon"
        className="[&_svg]:size-3.5 aria-pressed:text-accent-text aria-pressed:[&_svg]:fill-current"
        aria-label={name}
        aria-pressed={isPressed}
        tabIndex={isFirst ? 0 : -1}
        data-testid={testId}
        onClick={onClick}
      >
        <Icon />
      </Button>
    </Tooltip>
  )
}
