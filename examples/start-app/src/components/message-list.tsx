import type { ChatThread } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { MessageCircle } from 'lucide-react'
import { useCallback, useEffect, useLayoutEffect, useRef } from 'react'
import { Message } from './message'
import { Notice, Skeleton } from './screens'
import { useSessionDb } from './session-db'

/** How close to its end, in pixels, a list counts as being there. */
const NEAR_END = 120

interface MessageListProps {
  thread: ChatThread
  /** Whether the session is the user's own, and with it all that is said about it. */
  ownSession: boolean
}

export function MessageList({ thread, ownSession }: MessageListProps) {
  const { db, user } = useSessionDb()
  const { messages: collection } = db.thread(thread.id)
  const { data: messages, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ message: collection })
        .orderBy(({ message }) => message.position)
        .orderBy(({ message }) => message.createdAt),
  })
  const { list, onScroll } = useFollowEnd(messages.at(-1)?.id)
  return (
    <div
      ref={list}
      onScroll={onScroll}
      data-testid="message-list"
      role="log"
      aria-label={`Messages of ${thread.title}`}
      className="flex min-h-0 flex-1 flex-col overflow-y-auto overscroll-contain py-2"
    >
      {!isReady && messages.length === 0 && <Skeleton rows={3} />}
      {isReady && messages.length === 0 && (
        <Notice icon={MessageCircle} title="No messages yet">
          Say something: everyone who sees this session can read along.
        </Notice>
      )}
      {messages.map((message) => (
        <Message
          key={message.id}
          message={message}
          canEdit={message.authorId === user.id}
          canDelete={ownSession || message.authorId === user.id}
        />
      ))}
    </div>
  )
}

/** Keeps a list at its end while new rows arrive, unless the user has scrolled up to read. */
function useFollowEnd(lastId: string | undefined) {
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const follow = useCallback(() => {
    if (following.current) list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [])
  useLayoutEffect(() => {
    if (lastId !== undefined) follow()
  }, [lastId, follow])
  // The height changes when the composer grows and when a small screen switches to the chat.
  useEffect(() => {
    if (list.current === null) return
    const observer = new ResizeObserver(follow)
    observer.observe(list.current)
    return () => observer.disconnect()
  }, [follow])
  const onScroll = () => {
    if (list.current === null) return
    const { scrollHeight, scrollTop, clientHeight } = list.current
    following.current = scrollHeight - scrollTop - clientHeight < NEAR_END
  }
  return { list, onScroll }
}
