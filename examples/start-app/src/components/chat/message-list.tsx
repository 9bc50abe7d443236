import type { ChatThread } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { MessageCircle } from 'lucide-react'
import { Notice, Skeleton } from '#/components/screens'
import { useSessionDb } from '#/components/session-db'
import { useRemovals } from '#/components/undo'
import { useChangedElsewhere } from '#/lib/use-changed-elsewhere'
import { useFollowEnd } from '#/lib/use-follow-end'
import { Announcer } from './announcer'
import { AskForAnswer } from './ask-for-answer'
import { Message } from './message'
import { UnsentMessages } from './unsent-messages'
import { useOutboxMessages } from './use-outbox-messages'

interface MessageListProps {
  thread: ChatThread
  /** True if the user owns the session, and with it all its messages. */
  ownSession: boolean
}

export function MessageList({ thread, ownSession }: MessageListProps) {
  const { db, user } = useSessionDb()
  const { removed } = useRemovals()
  const { messages: collection } = db.thread(thread)
  const { data, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ message: collection })
        .orderBy(({ message }) => message.position)
        .orderBy(({ message }) => message.createdAt),
  })
  const unsent = useOutboxMessages(thread.id)
  const waiting = new Set(unsent.flatMap((entry) => (entry.failure ? [] : [entry.message.id])))
  const changed = useChangedElsewhere(data, isReady)
  const messages = data.filter(({ id }) => !removed.has(id))
  const last = messages.at(-1)
  const { list, onScroll } = useFollowEnd(`${last?.id} ${last?.content.length} ${unsent.length}`)
  return (
    <>
      <div
        ref={list}
        onScroll={onScroll}
        data-testid="message-list"
        role="log"
        // Not live: growing answers would be read out again and again. See the announcer.
        aria-live="off"
        aria-label={`Messages of ${thread.title}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
        tabIndex={0}
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain -outline-offset-2"
      >
        <div className="flex min-h-full flex-col py-2">
          {!isReady && messages.length === 0 && <Skeleton rows={3} />}
          {isReady && messages.length === 0 && unsent.length === 0 && (
            <Notice icon={MessageCircle} title="No messages yet">
              Say something: everyone who sees this session can read along.
            </Notice>
          )}
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              changed={changed.has(message.id)}
              isWaiting={waiting.has(message.id)}
              canEdit={message.authorId === user.id && message.role === 'user'}
              canDelete={ownSession || message.authorId === user.id}
            />
          ))}
          {last && <AskForAnswer message={last} isWaiting={waiting.has(last.id)} />}
          <UnsentMessages messages={unsent.filter(({ message }) => !collection.has(message.id))} />
        </div>
      </div>
      <Announcer messages={messages} isReady={isReady} />
    </>
  )
}
