import {
  branchEnd,
  type ChatMessage,
  type ChatThread,
  messageFeedback,
  siblingsOf,
} from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { ArrowDown, MessageCircle } from 'lucide-react'
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react'
import { Notice, Skeleton } from '#/components/screens'
import { useReport, useSessionDb } from '#/components/session-db'
import { PaneLoading } from '#/components/sync-badge'
import { Button } from '#/components/ui/button'
import { useRemovals } from '#/components/undo'
import { userName } from '#/lib/organization'
import { useChangedElsewhere } from '#/lib/use-changed-elsewhere'
import { useFollowEnd } from '#/lib/use-follow-end'
import { Announcer } from './announcer'
import { AskForAnswer } from './ask-for-answer'
import { Message } from './message'
import { Thinking } from './message-body'
import { UnsentMessages } from './unsent-messages'
import { useMarkRead } from './use-mark-read'
import { useOutboxMessages } from './use-outbox-messages'
import { useShownBranch } from './use-shown-branch'

/** Messages that a thread opens with. Older ones are loaded when the user scrolls up. */
const LAST = 50

/** The shown messages, as far as the composer is concerned. */
export interface Conversation {
  /** Set if the next message must follow this one, because the thread shows another branch. */
  readonly parentId?: string
  /** The growing answers that the user may stop. */
  readonly answering: readonly { readonly id: string; readonly isOwn: boolean }[]
}

interface MessageListProps {
  thread: ChatThread
  /** True if the user owns the session, and with it all its messages. */
  ownSession: boolean
  /** The message whose answer has been requested and does not exist yet. */
  asked: string | undefined
  onConversation: (conversation: Conversation | undefined) => void
}

export function MessageList({ thread, ownSession, asked, onConversation }: MessageListProps) {
  const { db, user } = useSessionDb()
  const { removed } = useRemovals()
  const window = db.thread(thread, { last: LAST })
  const collection = window.messages
  const { data, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ message: collection })
        .orderBy(({ message }) => message.position)
        .orderBy(({ message }) => message.createdAt),
  })
  const { feedback } = messageFeedback(db, thread.sessionId)
  const { data: rated } = useLiveQuery({ query: (q) => q.from({ rating: feedback }) })
  const ratings = new Map(rated.map((each) => [each.messageId, each]))
  const { hasOlder } = useSyncExternalStore(window.state.subscribe, window.state.get)
  const unsent = useOutboxMessages(thread.id)
  const waiting = new Set(unsent.flatMap((entry) => (entry.failure ? [] : [entry.message.id])))
  const changed = useChangedElsewhere(data, isReady)
  const { path, movedBy, follow } = useShownBranch(thread, data)
  const messages = path.filter(({ id }) => !removed.has(id))
  const present = removed.size === 0 ? data : data.filter(({ id }) => !removed.has(id))
  const isShown = new Set(path.map(({ id }) => id))
  const versions = byParent(present)
  const last = messages.at(-1)
  const report = useReport()
  const onSwitch = useCallback(
    (sibling: ChatMessage) => {
      const { id } = branchEnd(collection.toArray, sibling)
      const write = db.actions.switchBranch(thread.id, id)
      report('The other version was not shown', write, id)
    },
    [db, collection, thread.id, report],
  )
  const isLoading = useRef(false)
  const { list, onScroll, isAway, jump } = useFollowEnd(
    {
      start: messages[0]?.id ?? '',
      end: `${last?.id} ${last?.content.length} ${unsent.length} ${asked}`,
    },
    () => {
      if (!hasOlder || isLoading.current) return
      isLoading.current = true
      window.loadOlder().finally(() => {
        isLoading.current = false
      })
    },
  )

  const parentId = movedBy && last?.id
  const answering = messages.flatMap(({ id, status, authorId }) => {
    const isOwn = authorId === user.id
    return status === 'streaming' && (isOwn || ownSession) ? [{ id, isOwn }] : []
  })
  const state = JSON.stringify({ answering, parentId })
  useEffect(() => onConversation(JSON.parse(state)), [state, onConversation])
  useEffect(() => () => onConversation(undefined), [onConversation])

  const end = useMarkRead(thread, isReady && last !== undefined && !waiting.has(last.id))
  const isAwaiting = last !== undefined && last.id === asked
  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
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
        // useFollowEnd keeps the place, in all browsers alike.
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain -outline-offset-2 [overflow-anchor:none]"
      >
        <div className="flex min-h-full flex-col py-2">
          {!isReady && messages.length === 0 ? (
            <PaneLoading status={db.status(collection)} rows={3} />
          ) : (
            hasOlder && <Skeleton rows={3} />
          )}
          {isReady && messages.length === 0 && unsent.length === 0 && (
            <Notice icon={MessageCircle} title="No messages yet">
              Say something: everyone who sees this session can read along.
            </Notice>
          )}
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              siblings={siblingsOf(versions.get(message.parentId) ?? [], message)}
              onSwitch={onSwitch}
              changed={changed.has(message.id)}
              isWaiting={waiting.has(message.id)}
              canEdit={message.authorId === user.id && message.role === 'user'}
              canDelete={ownSession || message.authorId === user.id}
              feedback={ratings.get(message.id)}
            />
          ))}
          {isAwaiting && <Thinking />}
          {last && !isAwaiting && <AskForAnswer message={last} isWaiting={waiting.has(last.id)} />}
          {/* Also those that the window has not placed yet, for example in a thread that was started offline. */}
          <UnsentMessages messages={unsent.filter(({ message }) => !isShown.has(message.id))} />
          <div ref={end} />
        </div>
      </div>
      <div className="pointer-events-none absolute inset-x-0 bottom-2 flex justify-center gap-2 *:pointer-events-auto">
        {movedBy && (
          <Button size="sm" data-testid="follow-branch" className="shadow-md" onClick={follow}>
            {userName(movedBy.authorId)} wrote another version · View
          </Button>
        )}
        {isAway && (
          <Button size="sm" data-testid="jump-to-latest" className="shadow-md" onClick={jump}>
            <ArrowDown /> Latest
          </Button>
        )}
      </div>
      <Announcer messages={messages} isReady={isReady} />
    </div>
  )
}

function byParent(messages: readonly ChatMessage[]): Map<string | null, ChatMessage[]> {
  const groups = new Map<string | null, ChatMessage[]>()
  for (const message of messages) {
    const group = groups.get(message.parentId)
    if (group) group.push(message)
    else groups.set(message.parentId, [message])
  }
  return groups
}
