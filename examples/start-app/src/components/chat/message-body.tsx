import type { ChatMessage, JsonObject } from '@org/session-db'
import { lazy, memo, Suspense, useDeferredValue } from 'react'
import { MessageFiles } from './attachments'
import { ToolCall, toolCallOf } from './tool-call'

// The formatter is half as large as the rest of the app, so it is loaded later, and only when
// needed. A paragraph of plain words doesn't need it.
const Markdown = lazy(() => import('./markdown'))
const isPlain = (content: string) =>
  /^[\p{L}\p{N} ,.?'’“”–…]*$/u.test(content) && !/^\d+\.|www\.|^ /.test(content)

/**
 * The formatted text of a message, and its reasoning and tool calls. While an answer grows, typing and scrolling have
 * priority.
 */
export const MessageBody = memo(function MessageBody({ message }: { message: ChatMessage }) {
  const { content, parts } = useDeferredValue(message)
  const isStreaming = message.status === 'streaming'
  const shown = parts.length === 0 ? [{ type: 'text', text: content }] : (parts as JsonObject[])
  return (
    <>
      <div data-testid="message-content" className="markdown text-sm leading-6 break-words">
        {shown.map((part, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts never change places
          <Part key={index} part={part} message={message} />
        ))}
        {isStreaming && content !== '' && <span className="caret" aria-hidden />}
        {isStreaming && content === '' && parts.length === 0 && <Dots />}
      </div>
      <MessageFiles parts={shown.filter(({ type }) => type === 'file')} />
    </>
  )
})

function Part({ part, message }: { part: JsonObject; message: ChatMessage }) {
  const call = toolCallOf(part)
  if (call) return <ToolCall call={call} message={message} />
  const text = typeof part.text === 'string' ? part.text : ''
  if (part.type === 'reasoning') {
    return (
      <details className="my-1 text-muted-foreground">
        <summary className="cursor-pointer text-xs font-medium">Reasoning</summary>
        <Text content={text} />
      </details>
    )
  }
  return part.type === 'text' ? <Text content={text} /> : null
}

function Text({ content }: { content: string }) {
  if (isPlain(content)) return content === '' ? null : <p>{content}</p>
  return (
    <Suspense fallback={<p className="whitespace-pre-wrap">{content}</p>}>
      <Markdown content={content} />
    </Suspense>
  )
}

/** The assistant has been asked and has not begun to answer. */
export function Thinking() {
  return (
    <div data-testid="thinking" className="px-3 py-2.5 pl-12.5">
      <Dots />
    </div>
  )
}

function Dots() {
  return (
    <p role="status" className="flex h-6 items-center gap-1">
      <span className="sr-only">The assistant is thinking.</span>
      {['0ms', '160ms', '320ms'].map((animationDelay) => (
        <span
          key={animationDelay}
          aria-hidden
          style={{ animationDelay }}
          className="size-1.5 animate-pulse rounded-full bg-muted-foreground"
        />
      ))}
    </p>
  )
}
