import type { Session } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Archive, CircleAlert, Inbox, Plus, Users } from 'lucide-react'
import { useState } from 'react'
import { userName } from '#/lib/demo-users'
import { count, shortTime } from '#/lib/format'
import { Notice, Skeleton } from './screens'
import { useReport, useSessionDb } from './session-db'
import { Badge } from './ui/badge'
import { Button } from './ui/button'
import { TitleDialog } from './ui/dialog'
import { Switch } from './ui/switch'
import { Tooltip } from './ui/tooltip'

const formatNames: Record<Session['format'], string> = {
  codex: 'Codex',
  'claude-code': 'Claude Code',
  'gemini-cli': 'Gemini CLI',
  other: 'Chat',
}

export function SessionList() {
  const { db } = useSessionDb()
  const [creating, setCreating] = useState(false)
  const [showArchived, setShowArchived] = useState(false)
  const { data: sessions, isReady } = useLiveQuery({
    query: (q) =>
      q.from({ session: db.sessions }).orderBy(({ session }) => session.createdAt, 'desc'),
  })
  const current = sessions.filter((session) => session.archivedAt === null)
  const archived = sessions.filter((session) => session.archivedAt !== null)

  return (
    <>
      <div className="flex h-12 shrink-0 items-center justify-between pr-2 pl-4">
        <h2 className="text-sm font-semibold">Sessions</h2>
        <Tooltip label="New session">
          <Button
            variant="ghost"
            size="icon"
            aria-label="New session"
            data-testid="new-session"
            onClick={() => setCreating(true)}
          >
            <Plus />
          </Button>
        </Tooltip>
      </div>
      <div data-testid="session-list" className="flex min-h-0 flex-1 flex-col overflow-y-auto pb-4">
        {!isReady && sessions.length === 0 && <Skeleton />}
        {isReady && sessions.length === 0 && (
          <Notice icon={Inbox} title="No sessions yet" testId="no-sessions">
            Start one with the plus above, or ask a colleague to share theirs.
          </Notice>
        )}
        <ul className="space-y-0.5 px-2">
          {current.map((session) => (
            <SessionItem key={session.id} session={session} />
          ))}
        </ul>
        {archived.length > 0 && (
          <button
            type="button"
            data-testid="show-archived"
            aria-expanded={showArchived}
            onClick={() => setShowArchived(!showArchived)}
            className="mx-2 mt-3 flex items-center gap-2 rounded-lg px-2.5 py-1.5 text-xs font-medium text-muted-foreground hover:bg-muted"
          >
            <Archive className="size-3.5" aria-hidden />
            {showArchived ? 'Hide' : 'Show'} {count(archived.length, 'archived session')}
          </button>
        )}
        {showArchived && (
          <ul className="mt-1 space-y-0.5 px-2">
            {archived.map((session) => (
              <SessionItem key={session.id} session={session} />
            ))}
          </ul>
        )}
      </div>
      {creating && <NewSessionDialog onClose={() => setCreating(false)} />}
    </>
  )
}

function SessionItem({ session }: { session: Session }) {
  const { user } = useSessionDb()
  const { sessionId } = useParams({ strict: false })
  const own = session.ownerId === user.id
  const selected = sessionId === session.id
  return (
    <li
      className="relative rounded-lg px-2.5 py-2 hover:bg-muted data-selected:bg-accent-soft"
      data-selected={selected || undefined}
      data-testid={`session-${session.id}`}
    >
      <Link
        to="/sessions/$sessionId"
        params={{ sessionId: session.id }}
        aria-current={selected ? 'page' : undefined}
        className="line-clamp-2 text-sm leading-5 font-medium break-words after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
      >
        {session.title}
      </Link>
      <p className="mt-1 flex items-center gap-1.5 text-xs text-muted-foreground">
        <Badge>{formatNames[session.format]}</Badge>
        <StatusBadge session={session} />
        <span className="min-w-0 flex-1 truncate">{session.repoLabel}</span>
        <time dateTime={session.createdAt.toISOString()} className="shrink-0">
          {shortTime(session.createdAt)}
        </time>
      </p>
      {own ? (
        <ShareSwitch session={session} />
      ) : (
        <p className="mt-1.5 flex items-center gap-1.5 text-xs text-muted-foreground">
          <Users className="size-3.5" aria-hidden /> Shared by {userName(session.ownerId)}
        </p>
      )}
    </li>
  )
}

function StatusBadge({ session }: { session: Session }) {
  if (session.status === 'failed') {
    return (
      <Badge tone="danger">
        <CircleAlert className="size-3" aria-hidden /> Failed
      </Badge>
    )
  }
  const waitsForLog = session.status === 'pending' && session.source === 'upload'
  return waitsForLog && <Badge tone="accent">Processing</Badge>
}

function ShareSwitch({ session }: { session: Session }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const shared = session.visibility === 'tenant'
  return (
    <div className="mt-1.5 flex items-center gap-2 text-xs text-muted-foreground">
      <Switch
        id={`share-${session.id}`}
        data-testid={`share-${session.id}`}
        checked={shared}
        aria-label={`Share ${session.title} with everyone at ${user.tenantName}`}
        onCheckedChange={(checked) =>
          report(
            'The sharing was not changed',
            db.actions.updateSession(session.id, { visibility: checked ? 'tenant' : 'private' }),
          )
        }
        className="relative z-10"
      />
      <label htmlFor={`share-${session.id}`} className="relative z-10 cursor-pointer">
        {shared ? `Shared with ${user.tenantName}` : 'Private'}
      </label>
    </div>
  )
}

function NewSessionDialog({ onClose }: { onClose: () => void }) {
  const { db } = useSessionDb()
  const report = useReport()
  const navigate = useNavigate()
  return (
    <TitleDialog
      title="New session"
      description="An empty session to chat in. It stays private until you share it."
      initial=""
      action="Create"
      onClose={onClose}
      onSubmit={(title) => {
        const { id } = report(
          'The session was not created',
          db.actions.createSession({ title, format: 'other', source: 'external' }),
        )
        navigate({ to: '/sessions/$sessionId', params: { sessionId: id } })
      }}
    />
  )
}
