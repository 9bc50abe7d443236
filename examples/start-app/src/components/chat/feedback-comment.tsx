import { type ChatMessage, messageFeedback } from '@org/session-db'
import { useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'

interface FeedbackCommentProps {
  message: ChatMessage
  comment: string
  onClose: () => void
}

/** A form for a comment on an answer. Loaded when the user opens it. */
export default function FeedbackComment({ message, comment, onClose }: FeedbackCommentProps) {
  const { db } = useSessionDb()
  const report = useReport()
  const [text, setText] = useState(comment)

  function save() {
    const { rate } = messageFeedback(db, message.sessionId)
    report('Your comment was not stored', rate(message.id, { comment: text.trim() || null }))
    onClose()
  }

  return (
    <form
      aria-label="Comment on the answer"
      className="mt-2 space-y-2"
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <textarea
        // biome-ignore lint/a11y/noAutofocus: the user has just asked to type here
        autoFocus
        aria-label="Your comment"
        data-testid="feedback-comment"
        placeholder="What was good or bad about it? Only those who may edit the session read this."
        maxLength={10_000}
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="field-sizing-content min-h-16 w-full resize-none rounded-lg border bg-background px-3 py-2 text-sm"
      />
      <div className="flex gap-2">
        <Button type="submit" size="sm" variant="primary" data-testid="feedback-save">
          Save
        </Button>
        <Button size="sm" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  )
}
