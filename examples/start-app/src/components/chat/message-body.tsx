import type { ChatMessage } from '@org/session-db'
import { lazy, memo, Suspense, useDeferredValue } from 'react'

// The formatter is half as large as the rest of the app, so it is loaded later, and only when
// needed. A paragraph of plain words doesn't need it.
const Markdown = lazy(() => import('./markdown'))
const isPlain = (content: string) =>
  /^[\p{L}\p{N} ,.?'’“”–…]*$/u.test(content) && !/^\d+\.|www\.|^ /.test(content)

/** The formatted text of a message. While an answer grows, typing and scrolling have priority. */
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
