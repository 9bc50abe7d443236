import type { ChatMessage } from '@org/session-db'
import { Bot } from 'lucide-react'
import { useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { useAnswers } from './use-answers'

/** Age from which a question without an answer counts as unanswered, in ms. */
const PATIENCE_MS = 3_000

/**
 * Offers to answer the last message if there is no answer: it was not requested, or it was lost.
 */
export function AskForAnswer({ message, isWaiting }: { message: ChatMessage; isWaiting: boolean }) {
  const { user } = useSessionDb()
  const { ask } = useAnswers()
  if (message.role !== 'user' || message.authorId !== user.id || isWaiting) return null
  return (
    <Button
      variant="ghost"
      size="sm"
      data-testid="ask-for-answer"
      // Appears only after an answer in progress would have arrived.
      style={{ animationDelay: `${PATIENCE_MS}ms` }}
      className="ml-12 animate-appear self-start"
      onClick={() => ask(message.threadId, message.id)}
    >
      <Bot /> Ask for an answer
    </Button>
  )
}
