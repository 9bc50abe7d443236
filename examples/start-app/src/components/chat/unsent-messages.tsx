import { RefreshCw, Trash2 } from 'lucide-react'
import { Avatar } from '#/components/avatar'
import { useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { useToast } from '#/components/ui/toaster'
import type { UnsentMessage } from './use-outbox-messages'

/**
 * Messages that the server refused, with buttons to resend or discard them, and those being resent.
 */
export function UnsentMessages({ messages }: { messages: readonly UnsentMessage[] }) {
  const { outbox, user } = useSessionDb()
  const toast = useToast()
  const tell = (error: Error) => void toast({ title: 'That failed', text: error.message })
  return messages.map(({ batchId, message, failure }) => (
    <article
      key={batchId}
      data-testid="unsent-message"
      aria-label="Message that was not sent"
      className="flex gap-2.5 px-3 py-2.5"
    >
      <Avatar name={user.name} />
      <div className="min-w-0 flex-1 text-sm">
        <p className="leading-6 break-words whitespace-pre-wrap text-muted-foreground">
          {message.content}
        </p>
        <p role="alert" className="mt-1 text-xs text-danger">
          {failure ? `Not sent: ${failure}` : 'Sending …'}
        </p>
        {failure && (
          <div className="mt-2 flex gap-2">
            <Button
              size="sm"
              data-testid="send-again"
              onClick={() => outbox.retry(batchId).catch(tell)}
            >
              <RefreshCw /> Send again
            </Button>
            <Button
              size="sm"
              variant="ghost"
              data-testid="discard-unsent"
              onClick={() => outbox.discard(batchId).catch(tell)}
            >
              <Trash2 /> Discard
            </Button>
          </div>
        )}
      </div>
    </article>
  ))
}
