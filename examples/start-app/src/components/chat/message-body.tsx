import type { ChatMessage } from '@org/session-db'
import { lazy, memo, Suspense, useDeferredValue } from 'react'

// Formatting is half as large as the rest of the app: it comes after it, and when there is something
// to format. Of all that Markdown knows, plain words in one paragraph need none.
const Markdown = lazy(() => import('./markdown'))
const isPlain = (content: string) =>
  /^[\p{L}\p{N} ,.?'’“”–…]*$/u.test(content) && !/^\d+\.|www\.|^ /.test(content)

/** What a message says, formatted. While an answer grows, typing and scrolling come first. */
export const MessageBody = memo(function MessageBody({ message }: { message: ChatMessage }) {
  const content = useDeferredValue(message.content)
  return (
    <div data-testid="message-content" className="markdown text-sm leading-6 break-words">
      {isPlain(content) ? (
        <p>{content}</p>
      ) : (
        <Suspense fallback={<p className="whitespace-pre-wrap">{content}</p>}>
          <Markdown content={content} />
        </Suspense>
      )}
      {message.status === 'streaming' && <span className="caret" aria-hidden />}
    </div>
  )
})
