import type { Session } from '@org/session-db'
import { useReport, useSessionDb } from '../session-db'
import { useToast } from '../ui/toaster'

/** Returns a function that shares a session with the organisation, which can be undone, or makes it private. */
export function useVisibility({ id }: Session) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const toast = useToast()
  return function setVisibility(visibility: Session['visibility']): void {
    report('The sharing was not changed', db.actions.updateSession(id, { visibility }))
    if (visibility === 'private') return
    toast({
      title: `Everyone at ${user.tenantName} can see this session`,
      action: { label: 'Undo', onAction: () => setVisibility('private') },
    })
  }
}
