import {
  type ChatMessage,
  type MessageFeedback,
  type Siblings,
  streamStateOf,
} from '@org/session-db'
import { RotateCw } from 'lucide-react'
import { lazy, memo, Suspense, useRef, useState } from 'react'
import { Avatar } from '#/components/avatar'
import { Button } from '#/components/ui/button'
import { cn } from '#/lib/cn'
import { count, duration, fullTime, shortTime } from '#/lib/format'
import { questionOf, usageOf } from '#/lib/message-notes'
import { userName } from '#/lib/organization'
import { BranchSwitcher } from './branch-switcher'
import { MessageActions } from './message-actions'
import { MessageBody } from './message-body'
import { MessageEditor } from './message-editor'
import { MessageNotes } from './message-notes'
import { useAnswers } from './use-answers'

const FeedbackComment = lazy(() => import('./feedback-comment'))

const roleNames = { assistant: 'Assistant', system: 'System', tool: 'Tool' }

interface MessageProps {
  message: ChatMessage
  /** Its other versions: edits of a question, more answers. */
  siblings: Siblings<ChatMessage>
  /** Shows the branch of another version. */
  onSwitch: (sibling: ChatMessage) => void
  /** True if another user has just written or changed it. */
  changed: boolean
  /** True while it is not stored yet. */
  isWaiting: boolean
  canEdit: boolean
  canDelete: boolean
  /** The user's own feedback. */
  feedback: MessageFeedback | undefined
}

export const Message = memo(
  function Message(props: MessageProps) {
    const { message, siblings, onSwitch, changed, isWaiting, canEdit, canDelete, feedback } = props
    const [editing, setEditing] = useState(false)
    const [commenting, setCommenting] = useState(false)
    const element = useRef<HTMLElement>(null)
    const name = message.role === 'user' ? userName(message.authorId) : roleNames[message.role]
    return (
      <article
        ref={element}
        tabIndex={-1}
        data-testid={`message-${message.id}`}
        data-role={message.role}
        data-status={message.status}
        data-changed={changed || undefined}
        aria-label={`${name}, ${shortTime(message.createdAt)}`}
        aria-busy={message.status === 'streaming'}
        className={cn(
          'changed-row group relative flex gap-2.5 px-3 py-2.5 outline-none',
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
            {isWaiting && <span className="text-[11px] text-muted-foreground">Sending …</span>}
          </p>
          <MessageNotes message={message} name="contextEvents" />
          {editing ? (
            <MessageEditor
              message={message}
              onClose={() => {
                setEditing(false)
                element.current?.focus()
              }}
            />
          ) : (
            <MessageBody message={message} />
          )}
          <MessageNotes message={message} name="evidence" />
          <AnswerState message={message} />
          <AnswerNote message={message} feedback={feedback} />
          {commenting && (
            <Suspense>
              <FeedbackComment
                message={message}
                comment={feedback?.comment ?? ''}
                onClose={() => {
                  setCommenting(false)
                  element.current?.focus()
                }}
              />
            </Suspense>
          )}
          {siblings.all.length > 1 && <BranchSwitcher siblings={siblings} onSwitch={onSwitch} />}
        </div>
        {!editing && message.status !== 'streaming' && (
          <MessageActions
            message={message}
            feedback={feedback}
            onComment={() => setCommenting(true)}
            {...(canEdit && { onEdit: () => setEditing(true) })}
            canDelete={canDelete}
          />
        )}
      </article>
    )
  },
  (before, after) =>
    before.message === after.message &&
    before.changed === after.changed &&
    before.isWaiting === after.isWaiting &&
    before.canEdit === after.canEdit &&
    before.canDelete === after.canDelete &&
    before.feedback === after.feedback &&
    before.onSwitch === after.onSwitch &&
    before.siblings.index === after.siblings.index &&
    before.siblings.all.length === after.siblings.all.length,
)

/** The model, tokens and duration of an answer, and the user's rating. */
function AnswerNote({ message, feedback }: Pick<MessageProps, 'message' | 'feedback'>) {
  const { model, tokens, durationMs } = usageOf(message)
  const facts = [
    model,
    tokens !== undefined && count(tokens, 'token'),
    durationMs !== undefined && duration(durationMs),
    feedback?.rating && `you rated it ${feedback.rating === 'up' ? 'good' : 'bad'}`,
    feedback?.comment && 'with your comment',
  ].filter(Boolean)
  if (facts.length === 0) return null
  return (
    <p data-testid="answer-note" className="mt-1 text-[11px] text-muted-foreground">
      {facts.join(' · ')}
    </p>
  )
}

/** Offers to resume an answer that was interrupted or stopped. */
function AnswerState({ message }: { message: ChatMessage }) {
  const { retry } = useAnswers()
  const { id, threadId, status, metadata } = message
  if (status !== 'error') return null
  const question = questionOf(message)
  const { error } = streamStateOf(metadata)
  const isStopped = error?.code === 'aborted'
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-1.5 text-xs">
      <span className={isStopped ? 'text-muted-foreground' : 'text-danger'}>
        {error?.message ?? 'The answer was interrupted.'}
      </span>
      {question !== null && (
        <Button size="sm" data-testid="retry-answer" onClick={() => retry(threadId, question, id)}>
          <RotateCw /> {isStopped ? 'Go on' : 'Try again'}
        </Button>
      )}
    </div>
  )
}
