import type { Session } from '@org/session-db'
import { eq, ilike, isNull, not, or, useLiveQuery } from '@tanstack/react-db'
import { useMemo } from 'react'
import { useSessionDb } from '#/components/session-db'
import { useRemovals } from '#/components/undo'
import { isProcessing, type SessionListSearch } from '#/lib/session-search'

/** The sessions that match the list's filters, newest first, live. */
export function useSessions({ q, format, repo, status }: SessionListSearch) {
  const { db } = useSessionDb()
  const { removed } = useRemovals()
  const { data, isReady } = useLiveQuery({
    query: (query) => {
      let sessions = query.from({ session: db.sessions })
      if (format) sessions = sessions.where(({ session }) => eq(session.format, format))
      if (repo) sessions = sessions.where(({ session }) => eq(session.repoLabel, repo))
      if (status && status !== 'archived')
        sessions = sessions.where(({ session }) => eq(session.status, status))
      if (q) {
        const pattern = `%${q.replaceAll(/[\\%_]/g, '\\$&')}%`
        sessions = sessions.where(({ session }) =>
          or(ilike(session.title, pattern), ilike(session.repoLabel, pattern)),
        )
      }
      return sessions.orderBy(({ session }) => session.createdAt, 'desc')
    },
  })
  return useMemo(() => {
    const shown = data.filter(
      (session) =>
        !removed.has(session.id) && (status !== 'pending' || isProcessing(session as Session)),
    )
    return {
      isReady,
      sessions: shown,
      current: shown.filter(({ archivedAt }) => archivedAt === null),
      archived: shown.filter(({ archivedAt }) => archivedAt !== null),
    }
  }, [data, isReady, removed, status])
}

/** The repositories of all sessions, sorted by name. */
export function useRepos(): string[] {
  const { db } = useSessionDb()
  const { data } = useLiveQuery({
    query: (query) =>
      query
        .from({ session: db.sessions })
        .where(({ session }) => not(isNull(session.repoLabel)))
        .select(({ session }) => ({ repo: session.repoLabel }))
        .distinct(),
  })
  return useMemo(() => data.flatMap(({ repo }) => repo ?? []).toSorted(), [data])
}
