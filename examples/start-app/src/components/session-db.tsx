import {
  createSessionCollections,
  type PendingWrite,
  type SessionCollections,
} from '@org/session-db'
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import type { DemoUser } from '#/lib/demo-users'
import { writeBatch } from '#/server/write.functions'
import { useToast } from './ui/toaster'

interface SessionDb {
  readonly db: SessionCollections
  readonly user: DemoUser
}

const SessionDbContext = createContext<SessionDb | null>(null)

/** The signed-in user's live collections, for everything below. */
export function SessionDbProvider({ user, children }: { user: DemoUser; children: ReactNode }) {
  const [db] = useState(() =>
    createSessionCollections({
      electricUrl: '/api/shapes',
      writeAdapter: (batch) => writeBatch({ data: batch }),
      identity: { tenantId: user.tenantId, userId: user.id },
      // Signed out here or in another tab: a whole new page, so that nothing stays in memory.
      onSignedOut: () => window.location.assign('/sign-in'),
      // Going back to a session within a minute shows it at once, and up to date.
      gcTimeMs: 60_000,
    }),
  )
  return <SessionDbContext value={{ db, user }}>{children}</SessionDbContext>
}

/** The collections and who is signed in. */
export function useSessionDb(): SessionDb {
  const value = useContext(SessionDbContext)
  if (value === null) throw new Error('useSessionDb is used outside SessionDbProvider')
  return value
}

/**
 * Tells the user when a write fails; its optimistic effect has been taken back by then.
 *
 * @example
 * report('The thread was not renamed', db.actions.renameThread(id, title))
 */
export function useReport() {
  const toast = useToast()
  return useCallback(
    <Write extends PendingWrite>(title: string, write: Write): Write => {
      write.committed.catch((error: Error) => toast(title, error.message))
      return write
    },
    [toast],
  )
}
