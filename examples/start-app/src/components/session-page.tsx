import type { Session } from '@org/session-db'
import { eq, useLiveQuery } from '@tanstack/react-db'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowLeft, Lock, SearchX, Users } from 'lucide-react'
import { useEffect } from 'react'
import { cn } from '#/lib/cn'
import { count, fullTime } from '#/lib/format'
import { later } from '#/lib/later'
import { userName } from '#/lib/organization'
import { ReferencesProvider } from './references'
import { Notice, Skeleton } from './screens'
import { useSessionDb } from './session-db'
import { LeaveButton } from './sessions/leave-button'
import { SessionMenu } from './sessions/session-menu'
import { Timeline } from './timeline/timeline'
import { Segmented } from './ui/segmented'
import { useRemovals } from './undo'

// Behind a tab on most screens.
const ChatDock = later(() => import('./chat/chat-dock'))

export function SessionPage({ sessionId }: { sessionId: string }) {
  const { db } = useSessionDb()
  const { removed } = useRemovals()
  const { data: session, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ session: db.sessions })
        .where(({ session }) => eq(session.id, sessionId))
        .findOne(),
  })
  useTitle(session?.title)
  if (session === undefined && !isReady) return <Skeleton />
  if (session === undefined || removed.has(sessionId)) return <SessionGone />
  return (
    <ReferencesProvider>
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <SessionHeader session={session} />
        <SessionPanes session={session} />
      </div>
    </ReferencesProvider>
  )
}

/** The title of the browser's tab follows the session's, which others may change. */
function useTitle(title: string | undefined) {
  useEffect(() => {
    if (title === undefined) return
    document.title = `${title} · Sessions`
    return () => {
      document.title = 'Sessions'
    }
  }, [title])
}

function SessionGone() {
  return (
    <Notice icon={SearchX} title="This session is not here" testId="session-gone" isPage>
      <p>It was deleted, or its owner no longer shares it with you.</p>
      <Link
        to="/"
        className="mt-3 inline-block font-medium text-accent-text underline underline-offset-4"
      >
        Back to all sessions
      </Link>
    </Notice>
  )
}

/** Timeline and chat, side by side if there is room, otherwise one of them. */
function SessionPanes({ session }: { session: Session }) {
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const { view = 'timeline' } = useSearch({ from: '/_app/sessions/$sessionId' })
  return (
    <>
      <Segmented
        label="What to show"
        value={view}
        options={[
          { value: 'timeline', label: 'Timeline', testId: 'view-timeline' },
          { value: 'chat', label: 'Chat', testId: 'view-chat' },
        ]}
        onChange={(next) =>
          navigate({
            search: (search) => ({ ...search, view: next === 'chat' ? next : undefined }),
            replace: true,
          })
        }
        className="mx-3 mb-2 xl:hidden"
      />
      <div className="flex min-h-0 flex-1 border-t">
        <section
          aria-label="Timeline"
          className={cn('min-w-0 flex-1 flex-col xl:flex', view === 'timeline' ? 'flex' : 'hidden')}
        >
          <Timeline session={session} />
        </section>
        <section
          aria-label="Chat"
          data-drop-zone="chat"
          className={cn(
            'relative min-w-0 flex-1 flex-col bg-surface xl:flex xl:max-w-md xl:min-w-96 xl:border-l 2xl:max-w-lg',
            view === 'chat' ? 'flex' : 'hidden',
          )}
        >
          <ChatDock session={session} />
        </section>
      </div>
    </>
  )
}

function SessionHeader({ session }: { session: Session }) {
  const { user } = useSessionDb()
  const shared = session.visibility === 'tenant'
  const facts = [
    session.repoLabel,
    session.eventCount > 0 && count(session.eventCount, 'event'),
    session.startedAt && fullTime(session.startedAt),
    session.ownerId === user.id ? 'yours' : `by ${userName(session.ownerId)}`,
    session.archivedAt && 'archived',
  ].filter(Boolean)
  return (
    <div className="flex items-center gap-2 px-3 py-2.5 sm:px-4">
      <Link
        to="/"
        aria-label="Back to all sessions"
        className="-ml-1 rounded-lg p-1.5 text-muted-foreground hover:bg-muted md:hidden"
      >
        <ArrowLeft className="size-4.5" />
      </Link>
      <div className="min-w-0 flex-1">
        <h1 data-testid="session-title" className="truncate text-[15px] font-semibold">
          {session.title}
        </h1>
        <p className="mt-0.5 flex items-center gap-1.5 text-xs text-muted-foreground">
          {shared ? (
            <Users
              className="size-3.5 shrink-0"
              role="img"
              aria-label={`Shared with ${user.tenantName}`}
            />
          ) : (
            <Lock className="size-3.5 shrink-0" role="img" aria-label="Private" />
          )}
          <span className="truncate">{facts.join(' · ')}</span>
        </p>
      </div>
      {session.ownerId === user.id ? (
        <SessionMenu session={session} />
      ) : (
        <LeaveButton session={session} />
      )}
    </div>
  )
}
