import type { SyncStatus, SyncStatusStore } from '@org/session-db'
import { useParams } from '@tanstack/react-router'
import { CloudCheck, CloudOff, Loader, type LucideIcon, RefreshCw, UserX } from 'lucide-react'
import { useMemo, useSyncExternalStore } from 'react'
import { cn } from '#/lib/cn'
import { count } from '#/lib/format'
import { Notice, Skeleton } from './screens'
import { useSessionDb } from './session-db'
import { Button } from './ui/button'
import { Tooltip } from './ui/tooltip'

type SyncState = 'synced' | 'loading' | 'reconnecting' | 'offline' | 'refused' | 'signed-out'

const looks: Record<SyncState, { icon: LucideIcon; label: string; hint: string; tone: string }> = {
  synced: {
    icon: CloudCheck,
    label: 'Synced',
    hint: 'Everything is up to date, and changes arrive as they happen.',
    tone: 'text-success',
  },
  loading: { icon: Loader, label: 'Loading', hint: 'Loading changes.', tone: '' },
  reconnecting: {
    icon: RefreshCw,
    label: 'Reconnecting',
    hint: 'The server cannot be reached. You can keep working: your changes are stored and sent later.',
    tone: 'text-warning',
  },
  offline: {
    icon: CloudOff,
    label: 'Offline',
    hint: 'There is no network. You can keep working: your changes are stored and sent later.',
    tone: 'text-warning',
  },
  refused: { icon: CloudOff, label: 'Sync stopped', hint: '', tone: 'text-danger' },
  'signed-out': {
    icon: UserX,
    label: 'Signed out',
    hint: 'Your sign-in has expired. What you wrote is kept until you sign in again.',
    tone: 'text-danger',
  },
}

const states: Record<SyncStatus['connection'], SyncState> = {
  idle: 'synced',
  connecting: 'loading',
  live: 'synced',
  reconnecting: 'reconnecting',
  offline: 'offline',
  stopped: 'refused',
}

function stateOf({ connection, lastError }: SyncStatus): SyncState {
  const state = states[connection]
  return state === 'refused' && lastError?.code === 'unauthenticated' ? 'signed-out' : state
}

const severity = Object.keys(looks)

function worst(statuses: readonly SyncStatus[]): SyncStatus | undefined {
  return statuses.toSorted((a, b) => severity.indexOf(stateOf(b)) - severity.indexOf(stateOf(a)))[0]
}

/** The worst status of the page's collections. */
function useSyncStatus(): SyncStatus | undefined {
  const { db } = useSessionDb()
  const { sessionId } = useParams({ strict: false })
  const store = useMemo(() => {
    const scope = sessionId === undefined ? undefined : db.session(sessionId)
    const collections = [db.sessions, ...(scope ? [scope.timeline, scope.threads] : [])]
    const stores: SyncStatusStore[] = collections.map((collection) => db.status(collection))
    return {
      scope, // The library unloads a scope that has no holder.
      get: () => worst(stores.map((each) => each.get())),
      subscribe: (listener: () => void) => {
        const stops = stores.map((each) => each.subscribe(listener))
        return () => {
          for (const stop of stops) stop()
        }
      },
    }
  }, [db, sessionId])
  return useSyncExternalStore(store.subscribe, store.get, store.get)
}

function subscribeToNetwork(listener: () => void) {
  window.addEventListener('online', listener)
  window.addEventListener('offline', listener)
  return () => {
    window.removeEventListener('online', listener)
    window.removeEventListener('offline', listener)
  }
}

/** Warns that content may be outdated. Empty while everything is up to date. */
export function StreamNotice({ status }: { status: SyncStatusStore }) {
  const current = useSyncExternalStore(status.subscribe, status.get)
  const state = stateOf(current)
  if (state === 'synced' || state === 'loading') return null
  const { icon: Icon, label, tone } = looks[state]
  return (
    <p
      role="status"
      data-testid="timeline-status"
      data-state={state}
      className="flex items-center gap-2 border-y px-4 py-2 text-xs text-muted-foreground"
    >
      <Icon className={cn('size-4 shrink-0', tone)} aria-hidden />
      {state === 'refused'
        ? `${label}: ${current.lastError?.message ?? 'reload the page'}`
        : `${label}: these events are as they were last seen here.`}
    </p>
  )
}

/** The placeholder of a pane without rows: they are being loaded, or why they can't be, and what to do. */
export function PaneLoading({ status, rows }: { status: SyncStatusStore; rows?: number }) {
  const own = useSyncExternalStore(status.subscribe, status.get, status.get)
  // A session's rows wait for the list of sessions, which reports the failure then.
  const current = worst([own, useSyncStatus() ?? own]) ?? own
  const state = stateOf(current)
  if (state === 'synced' || state === 'loading') return <Skeleton {...(rows && { rows })} />
  const { icon, label } = looks[state]
  const isStopped = current.connection === 'stopped'
  return (
    <Notice icon={icon} title={label} testId="pane-failed">
      <p>
        {isStopped
          ? (current.lastError?.message ?? 'The server refused to send this.')
          : 'This cannot be loaded now. It appears by itself when the server can be reached again.'}
      </p>
      <Button className="mt-3" size="sm" onClick={() => window.location.reload()}>
        <RefreshCw /> Reload the page
      </Button>
    </Notice>
  )
}

/** Shows in the header whether the page is up to date, and the number of unsent writes. */
export function SyncBadge() {
  const { outbox } = useSessionDb()
  const status = useSyncStatus()
  const { waiting } = useSyncExternalStore(
    outbox.status.subscribe,
    outbox.status.get,
    outbox.status.get,
  )
  // A stream only notices at the end of its long poll.
  const isOnline = useSyncExternalStore(
    subscribeToNetwork,
    () => navigator.onLine,
    () => true,
  )
  if (status === undefined) return null
  const isStopped = status.connection === 'stopped'
  const state = isOnline || isStopped ? stateOf(status) : 'offline'
  const { icon: Icon, label, hint, tone } = looks[state]
  const isUnsent = waiting > 0 && state !== 'synced' && state !== 'loading'
  return (
    <div className="flex items-center gap-1">
      <Tooltip label={state === 'refused' ? status.lastError?.message : hint}>
        <button
          type="button"
          data-testid="sync-status"
          data-state={state}
          className="flex items-center gap-1.5 rounded-lg px-2 py-1.5 text-xs font-medium text-muted-foreground"
        >
          <Icon className={cn('size-4', tone)} aria-hidden />
          <span role="status" className={cn(state === 'synced' && 'sr-only sm:not-sr-only')}>
            {label}
            {isUnsent && (
              <span className="max-sm:sr-only">, {count(waiting, 'change')} not sent yet</span>
            )}
          </span>
        </button>
      </Tooltip>
      {isStopped && (
        <Button size="sm" data-testid="sync-reload" onClick={() => window.location.reload()}>
          {state === 'signed-out' ? 'Sign in again' : 'Reload'}
        </Button>
      )}
    </div>
  )
}
