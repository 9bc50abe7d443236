import type { Session } from '@org/session-db'
import { eq, useLiveQuery } from '@tanstack/react-db'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import {
  Archive,
  ArchiveRestore,
  ArrowLeft,
  EllipsisVertical,
  Lock,
  Pencil,
  SearchX,
  Trash2,
  Users,
} from 'lucide-react'
import { useState } from 'react'
import { cn } from '#/lib/cn'
import { userName } from '#/lib/demo-users'
import { count, fullTime } from '#/lib/format'
import { ChatDock } from './chat-dock'
import { Notice, Skeleton } from './screens'
import { useReport, useSessionDb } from './session-db'
import { Timeline } from './timeline'
import { Button } from './ui/button'
import { ConfirmDialog, TitleDialog } from './ui/dialog'
import { Menu, MenuItem, MenuSeparator } from './ui/menu'
import { Segmented } from './ui/segmented'

export function SessionPage({ sessionId }: { sessionId: string }) {
  const { db } = useSessionDb()
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const { view = 'timeline' } = useSearch({ from: '/_app/sessions/$sessionId' })
  const { data: session, isReady } = useLiveQuery({
    query: (q) =>
      q
        .from({ session: db.sessions })
        .where(({ session }) => eq(session.id, sessionId))
        .findOne(),
  })

  if (session === undefined && !isReady) return <Skeleton />
  if (session === undefined) {
    return (
      <Notice icon={SearchX} title="This session is not here" testId="session-gone">
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
  return (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      <SessionHeader session={session} />
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
          <Timeline sessionId={session.id} />
        </section>
        <section
          aria-label="Chat"
          className={cn(
            'min-w-0 flex-1 flex-col bg-surface xl:flex xl:max-w-md xl:min-w-96 xl:border-l 2xl:max-w-lg',
            view === 'chat' ? 'flex' : 'hidden',
          )}
        >
          <ChatDock session={session} />
        </section>
      </div>
    </div>
  )
}

function SessionHeader({ session }: { session: Session }) {
  const { user } = useSessionDb()
  const shared = session.visibility === 'tenant'
  const facts = [
    session.repoLabel,
    count(session.eventCount, 'event'),
    session.startedAt && fullTime(session.startedAt),
    session.ownerId === user.id ? 'yours' : `by ${userName(session.ownerId)}`,
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
            <Users className="size-3.5 shrink-0" aria-label={`Shared with ${user.tenantName}`} />
          ) : (
            <Lock className="size-3.5 shrink-0" aria-label="Private" />
          )}
          <span className="truncate">{facts.join(' · ')}</span>
        </p>
      </div>
      {session.ownerId === user.id && <SessionMenu session={session} />}
    </div>
  )
}

function SessionMenu({ session }: { session: Session }) {
  const { db } = useSessionDb()
  const report = useReport()
  const navigate = useNavigate()
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null)
  const archived = session.archivedAt !== null
  const close = () => setDialog(null)
  return (
    <>
      <Menu
        trigger={
          <Button
            variant="ghost"
            size="icon"
            aria-label="Session actions"
            data-testid="session-menu"
          >
            <EllipsisVertical />
          </Button>
        }
      >
        <MenuItem data-testid="rename-session" onSelect={() => setDialog('rename')}>
          <Pencil /> Rename
        </MenuItem>
        <MenuItem
          data-testid="archive-session"
          onSelect={() =>
            report(
              archived ? 'The session was not restored' : 'The session was not archived',
              archived
                ? db.actions.updateSession(session.id, { archivedAt: null })
                : db.actions.archiveSession(session.id),
            )
          }
        >
          {archived ? <ArchiveRestore /> : <Archive />} {archived ? 'Restore' : 'Archive'}
        </MenuItem>
        <MenuSeparator />
        <MenuItem danger data-testid="delete-session" onSelect={() => setDialog('delete')}>
          <Trash2 /> Delete
        </MenuItem>
      </Menu>
      {dialog === 'rename' && (
        <TitleDialog
          title="Rename session"
          description="Everyone who sees the session sees its new title."
          initial={session.title}
          action="Save"
          onClose={close}
          onSubmit={(title) =>
            report('The session was not renamed', db.actions.updateSession(session.id, { title }))
          }
        />
      )}
      {dialog === 'delete' && (
        <ConfirmDialog
          title="Delete this session?"
          description={`“${session.title}” goes for everyone, with its timeline and its chats.`}
          action="Delete"
          onClose={close}
          onConfirm={() => {
            report('The session was not deleted', db.actions.deleteSession(session.id))
            navigate({ to: '/' })
          }}
        />
      )}
    </>
  )
}
