import type { Session } from '@org/session-db'
import { eq, useLiveQuery } from '@tanstack/react-db'
import { LogOut } from 'lucide-react'
import { useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { ConfirmDialog } from '#/components/ui/later-dialogs'

/** Leaves a session that is shared with the user by name. Other users see only their own grants. */
export function LeaveButton({ session }: { session: Session }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const [asking, setAsking] = useState(false)
  const { data: own } = useLiveQuery({
    query: (q) =>
      q
        .from({ grant: db.session(session.id).grants })
        .where(({ grant }) => eq(grant.grantee, `user:${user.id}`))
        .findOne(),
  })
  if (own === undefined) return null
  return (
    <>
      <Button size="sm" variant="ghost" data-testid="leave" onClick={() => setAsking(true)}>
        <LogOut /> Leave
      </Button>
      {asking && (
        <ConfirmDialog
          title={`Leave “${session.title}”?`}
          description="You will not see it any more, unless it is also shared with a team of yours or everyone."
          action="Leave"
          onClose={() => setAsking(false)}
          onConfirm={() => report('You did not leave', db.actions.leaveSession(session.id))}
        />
      )}
    </>
  )
}
