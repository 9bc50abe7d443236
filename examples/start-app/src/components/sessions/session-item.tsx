import type { Session } from '@org/session-db'
import { Link, useParams } from '@tanstack/react-router'
import { CircleAlert, Lock, Users } from 'lucide-react'
import { memo } from 'react'
import { useSessionDb } from '#/components/session-db'
import { Badge } from '#/components/ui/badge'
import { Progress } from '#/components/ui/progress'
import { ShortTime } from '#/components/ui/short-time'
import { Tooltip } from '#/components/ui/tooltip'
import { count } from '#/lib/format'
import { memberName } from '#/lib/organization'
import { formatNames, isProcessing } from '#/lib/session-search'
import { useVisibility } from './use-visibility'

interface SessionItemProps {
  session: Session
  /** True if another user has just changed it. */
  changed: boolean
}

export const SessionItem = memo(function SessionItem({ session, changed }: SessionItemProps) {
  const { user } = useSessionDb()
  const { sessionId } = useParams({ strict: false })
  const own = session.ownerId === user.id
  const selected = sessionId === session.id
  return (
    <li
      className="changed-row offscreen-row relative rounded-lg px-2.5 py-2 hover:bg-muted data-selected:bg-accent-soft"
      data-selected={selected || undefined}
      data-changed={changed || undefined}
      data-testid={`session-${session.id}`}
    >
      <div className="flex items-center gap-2">
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session.id }}
          aria-current={selected ? 'page' : undefined}
          className="line-clamp-2 min-w-0 flex-1 text-sm leading-5 font-medium break-words after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
        >
          {session.title}
        </Link>
        {own && <ShareSwitch session={session} />}
      </div>
      <p className="mt-1 flex items-center gap-1.5 text-xs text-muted-foreground">
        <Badge>{formatNames[session.format] ?? session.format}</Badge>
        {session.status === 'failed' && (
          <Badge tone="danger">
            <CircleAlert className="size-3" aria-hidden /> Failed
          </Badge>
        )}
        <span className="min-w-0 flex-1 truncate">{session.repoLabel}</span>
        <ShortTime date={session.createdAt} />
      </p>
      {isProcessing(session) && <Processing session={session} />}
      {!own && (
        <p className="mt-1.5 flex items-center gap-1.5 text-xs text-muted-foreground">
          <Users className="size-3.5" aria-hidden /> Shared by {memberName(user, session.ownerId)}
        </p>
      )}
    </li>
  )
})

/** The server's progress with an uploaded log, visible to everyone who sees the session. */
function Processing({ session: { progress } }: { session: Session }) {
  const { phase = 'upload', doneBytes = 0, totalBytes = null, events } = progress ?? {}
  const label =
    phase === 'upload'
      ? 'Uploading'
      : `Reading the log${events ? `, ${count(events, 'event')}` : ''}`
  return (
    <div className="mt-1.5 space-y-1 text-xs text-muted-foreground">
      <p>{label}</p>
      <Progress label={label} {...(totalBytes && { value: doneBytes / totalBytes })} />
    </div>
  )
}

function ShareSwitch({ session }: { session: Session }) {
  const { user } = useSessionDb()
  const setVisibility = useVisibility(session)
  const shared = session.visibility === 'tenant'
  const Icon = shared ? Users : Lock
  return (
    <Tooltip label={shared ? `Shared with ${user.tenantName}` : 'Private'}>
      <button
        type="button"
        role="switch"
        // The row is one stop of the Tab key; an arrow leads here.
        tabIndex={-1}
        data-testid={`share-${session.id}`}
        aria-checked={shared}
        aria-label={`Share ${session.title} with everyone at ${user.tenantName}`}
        onClick={() => setVisibility(shared ? 'private' : 'tenant')}
        className="relative z-10 -my-1 -mr-1 shrink-0 self-start rounded-md p-1.5 text-muted-foreground hover:bg-foreground/10 aria-checked:text-accent-text"
      >
        <Icon className="size-4" aria-hidden />
      </button>
    </Tooltip>
  )
}
