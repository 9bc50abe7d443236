import type { ChatThread } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { MessageCircle } from 'lucide-react'
import { useLayoutEffect, useRef } from 'react'
import { Message } from './message'
import { Notice, Skeleton } from './screens'
import { useSessionDb } from './session-db'

/** How close to its end, in pixels, a list counts as being there. */
const NEAR_END = 120

export function MessageList({ thread }: { thread: ChatThread }) {
  const { db } = useSessionDb()
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
        <Message key={message.id} message={message} />
      ))}
    </div>
  )
}

/** Keeps a list at its end while new rows arrive, unless the user has scrolled up to read. */
function useFollowEnd(lastId: string | undefined) {
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  useLayoutEffect(() => {
    if (lastId === undefined || !following.current) return
    list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [lastId])
  const onScroll = () => {
    if (list.current === null) return
    const { scrollHeight, scrollTop, clientHeight } = list.current
    following.current = scrollHeight - scrollTop - clientHeight < NEAR_END
  }
  return { list, onScroll }
}
