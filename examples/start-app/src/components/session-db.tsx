import {
  createOutbox,
  createSessionCollections,
  type Outbox,
  type PendingWrite,
  type SessionCollections,
  type ShapeRows,
} from '@org/session-db'
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
} from 'react'
import type { AppUser } from '#/lib/app-user'
import { fetchForOrganization, showOrganization } from '#/lib/organization'
import { createOwnWrites, type OwnWrites } from '#/lib/own-writes'
import { checkSignIn } from '#/lib/sign-in'
import { writeBatch } from '#/server/write.functions'
import { useToast } from './ui/toaster'

interface SessionDb {
  readonly db: SessionCollections
  /** Stores writes while the server is unreachable. */
  readonly outbox: Outbox
  readonly own: OwnWrites
  readonly user: AppUser
  /** Shows or hides the library's inspector, and remembers it. */
  readonly showDevtools: (isShown: boolean) => void
}

/** The key in `localStorage` of whether the inspector shows. */
export const DEVTOOLS = 'devtools'

const SessionDbContext = createContext<SessionDb | null>(null)

function open(
  user: AppUser,
  initialRows: readonly ShapeRows[],
): Pick<SessionDb, 'db' | 'outbox' | 'own'> {
  const identity = { tenantId: user.tenantId, userId: user.id }
  const outbox = createOutbox({ identity })
  const db = createSessionCollections({
    electricUrl: '/api/shapes',
    uploadUrl: '/api/uploads',
    writeAdapter: (batch) => writeBatch({ data: batch }),
    identity,
    outbox,
    initialRows,
    fetchClient: fetchForOrganization,
    onUnauthenticated: () => checkSignIn(user),
    // Signed out in this or another tab: loads a new page, so that nothing stays in memory.
    onSignedOut: () => window.location.assign('/sign-in?left=1'),
    // Returning to a session within a minute shows it immediately and up to date.
    gcTime: 60_000,
  })
  return { db, outbox, own: createOwnWrites() }
}

interface ProviderProps {
  user: AppUser
  /** Rows that the server has read for the page's HTML. */
  initialRows: readonly ShapeRows[]
  children: ReactNode
}

/** Provides the signed-in user's live collections. */
export function SessionDbProvider({ user, initialRows, children }: ProviderProps) {
  showOrganization(user)
  const [opened] = useState(() => open(user, initialRows))
  const [hasDevtools, setHasDevtools] = useState(
    import.meta.env.DEV || localStorage.getItem(DEVTOOLS) === 'on',
  )
  useEffect(() => {
    if (!hasDevtools) return
    const mounting = import('@org/session-db/devtools').then(({ mountDevtools }) =>
      mountDevtools(opened.db),
    )
    return () => void mounting.then((unmount) => unmount())
  }, [opened, hasDevtools])
  const showDevtools = useCallback((isShown: boolean) => {
    localStorage.setItem(DEVTOOLS, isShown ? 'on' : 'off')
    setHasDevtools(isShown)
  }, [])
  // Names of people and organisations may have changed. The user stays the same for the life of the
  // page.
  const value = useMemo(() => ({ ...opened, user, showDevtools }), [opened, user, showDevtools])
  return <SessionDbContext value={value}>{children}</SessionDbContext>
}

/** The collections and the signed-in user. */
export function useSessionDb(): SessionDb {
  const value = useContext(SessionDbContext)
  if (value === null) throw new Error('useSessionDb is used outside SessionDbProvider')
  return value
}

/**
 * Notifies the user when the server refuses a write. Its optimistic change is rolled back by then.
 *
 * @param touched rows that change too, besides the write's own
 * @example
 * report('The thread was not renamed', db.actions.renameThread(id, title))
 */
export function useReport() {
  const toast = useToast()
  const { outbox, own } = useSessionDb()
  return useCallback(
    <Write extends PendingWrite & { readonly id?: string }>(
      title: string,
      write: Write,
      ...touched: string[]
    ): Write => {
      own.note(...(write.id === undefined ? touched : [write.id, ...touched]))
      write.committed.catch((error: Error & { code?: string }) => {
        // The write is stored and its row stays on screen; only the stream is slow.
        if (error.code === 'sync_timeout') return
        toast({ title, text: error.message })
        outbox.discard(write.batchId).catch(() => undefined)
      })
      return write
    },
    [toast, outbox, own],
  )
}
