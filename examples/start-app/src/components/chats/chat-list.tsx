import { chatList, unreadCount } from '@org/session-db'
import { eq, useLiveQuery } from '@tanstack/react-db'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { MessagesSquare, Pin } from 'lucide-react'
import { Notice } from '#/components/screens'
import { useReport, useSessionDb } from '#/components/session-db'
import { PaneLoading } from '#/components/sync-badge'
import { Badge } from '#/components/ui/badge'
import { Button } from '#/components/ui/button'
import { ShortTime } from '#/components/ui/short-time'
import { useRemovals } from '#/components/undo'
import { cn } from '#/lib/cn'
import { moveInRows } from '#/lib/row-keys'

/** The chats of all sessions: pinned ones first, then by last activity. */
function useChats() {
  const { db, user } = useSessionDb()
  const { removed } = useRemovals()
  const { threads, states } = chatList(db)
  const { data, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ thread: threads })
        .innerJoin({ session: db.sessions }, ({ thread, session }) =>
          eq(thread.sessionId, session.id),
        )
        .leftJoin({ state: states }, ({ thread, state }) => eq(thread.id, state.threadId))
        .orderBy(({ thread }) => thread.lastMessageAt, 'desc')
        .select(({ thread, session, state }) => ({
          thread,
          sessionTitle: session.title,
          state,
        })),
  })
  const chats = data
    .filter(({ thread }) => thread.messageCount > 0)
    .filter(({ thread }) => !removed.has(thread.id) && !removed.has(thread.sessionId))
    .map((chat) => {
      const { thread, state } = chat
      const isPinned = state?.pinnedAt != null
      const unread = unreadCount(thread, state)
      // One's own new thread has no read position for a moment.
      const isUnread = unread > 0 && (state !== undefined || thread.createdBy !== user.id)
      // All messages of a thread that was never opened are unread: a number would not help.
      return { ...chat, isPinned, isUnread, unread: state === undefined ? 0 : unread }
    })
    .toSorted((a, b) => Number(b.isPinned) - Number(a.isPinned))
  return { chats, isReady }
}

type Chat = ReturnType<typeof useChats>['chats'][number]

/** The number of chats with unread messages. */
export function UnreadChats() {
  const unread = useChats().chats.filter(({ isUnread }) => isUnread).length
  return unread === 0 ? null : (
    <span data-testid="unread-chats" className="ml-1.5 text-accent-text tabular-nums">
      {unread}
      <span className="sr-only"> unread</span>
    </span>
  )
}

export function ChatList({ onSessions }: { onSessions: () => void }) {
  const { db } = useSessionDb()
  const { chats, isReady } = useChats()
  return (
    <div className="min-h-0 flex-1 overflow-y-auto pb-4">
      {!isReady && chats.length === 0 && <PaneLoading status={db.status(chatList(db).threads)} />}
      {isReady && chats.length === 0 && (
        <Notice icon={MessagesSquare} title="No chats yet" testId="no-chats">
          <p>Write a message in a session. The chats of all sessions are listed here.</p>
          <Button className="mt-3" size="sm" onClick={onSessions}>
            Choose a session
          </Button>
        </Notice>
      )}
      <ul
        aria-label="Chats"
        data-testid="chat-list"
        className="space-y-0.5 px-2 empty:hidden"
        onKeyDown={moveInRows}
      >
        {chats.map((chat) => (
          <ChatItem key={chat.thread.id} chat={chat} />
        ))}
      </ul>
    </div>
  )
}

function ChatItem({ chat }: { chat: Chat }) {
  const { thread, sessionTitle, isPinned, isUnread, unread } = chat
  const { db } = useSessionDb()
  const report = useReport()
  const { sessionId } = useParams({ strict: false })
  const { thread: shown } = useSearch({ strict: false })
  const isSelected = sessionId === thread.sessionId && shown === thread.id
  return (
    <li
      data-testid={`chat-${thread.id}`}
      data-selected={isSelected || undefined}
      data-unread={isUnread || undefined}
      data-pinned={isPinned || undefined}
      className="offscreen-row group relative rounded-lg py-2 pr-2 pl-2.5 hover:bg-muted data-selected:bg-accent-soft"
    >
      <div className="flex items-center gap-2">
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: thread.sessionId }}
          search={(search) => ({
            ...search,
            thread: thread.id,
            mode: thread.mode === 'general' ? thread.mode : undefined,
            view: 'chat',
            at: undefined,
          })}
          aria-current={isSelected ? 'page' : undefined}
          className={cn(
            'min-w-0 flex-1 truncate text-sm after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent',
            isUnread ? 'font-semibold' : 'font-medium',
          )}
        >
          {thread.title}
        </Link>
        {isUnread && (
          <Badge tone="accent">
            {unread > 0 ? unread : 'New'}
            {unread > 0 && <span className="sr-only">unread</span>}
          </Badge>
        )}
        <button
          type="button"
          tabIndex={-1}
          aria-pressed={isPinned}
          aria-label={`Pin ${thread.title}`}
          data-testid={`pin-${thread.id}`}
          onClick={() => report('The chat was not pinned', chatList(db).pin(thread, !isPinned))}
          className={cn(
            'relative rounded p-1 text-muted-foreground hover:text-foreground focus-visible:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100',
            isPinned ? 'text-accent-text' : 'opacity-0',
          )}
        >
          <Pin className={cn('size-3.5', isPinned && 'fill-current')} />
        </button>
      </div>
      <p className="truncate text-xs text-muted-foreground">{thread.lastMessagePreview}</p>
      <p className="mt-0.5 flex items-center gap-2 text-xs text-muted-foreground">
        <span className="min-w-0 flex-1 truncate">in {sessionTitle}</span>
        {thread.lastMessageAt && <ShortTime date={thread.lastMessageAt} />}
      </p>
    </li>
  )
}
