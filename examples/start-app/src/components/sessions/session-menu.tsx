import type { Session } from '@org/session-db'
import { useNavigate } from '@tanstack/react-router'
import {
  Archive,
  ArchiveRestore,
  Download,
  Link2,
  Lock,
  Pencil,
  Trash2,
  UserPlus,
  Users,
} from 'lucide-react'
import { useState } from 'react'
import { useReport, useSessionDb } from '#/components/session-db'
import { TitleDialog } from '#/components/ui/later-dialogs'
import { Menu, MenuItem, MenuLink, MenuSeparator } from '#/components/ui/menu'
import { MoreButton } from '#/components/ui/more-button'
import { useToast } from '#/components/ui/toaster'
import { useRemovals } from '#/components/undo'
import { later } from '#/lib/later'
import { useVisibility } from './use-visibility'

const ShareDialog = later(() => import('./share-dialog'))

/** The menu of a session for its owner. */
export function SessionMenu({ session }: { session: Session }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const toast = useToast()
  const { remove } = useRemovals()
  const navigate = useNavigate()
  const setVisibility = useVisibility(session)
  const [dialog, setDialog] = useState<'rename' | 'share' | null>(null)
  const { id, title } = session
  const archived = session.archivedAt !== null
  const shared = session.visibility === 'tenant'

  function removeSession() {
    remove({
      collection: 'sessions',
      ids: [id],
      title: 'Session deleted',
      failure: 'The session was not deleted',
    })
    navigate({ to: '/' })
  }

  return (
    <>
      <Menu trigger={<MoreButton aria-label="Session actions" data-testid="session-menu" />}>
        <MenuItem data-testid="rename-session" onSelect={() => setDialog('rename')}>
          <Pencil /> Rename
        </MenuItem>
        <MenuItem data-testid="open-sharing" onSelect={() => setDialog('share')}>
          <UserPlus /> Share with people and teams
        </MenuItem>
        <MenuItem
          data-testid="share-session"
          onSelect={() => setVisibility(shared ? 'private' : 'tenant')}
        >
          {shared ? <Lock /> : <Users />}{' '}
          {shared ? 'Make private' : `Share with ${user.tenantName}`}
        </MenuItem>
        <MenuItem
          data-testid="copy-session-link"
          onSelect={() => {
            const link = `${window.location.origin}/sessions/${encodeURIComponent(id)}`
            navigator.clipboard
              .writeText(link)
              .catch(() => toast({ title: 'The link was not copied' }))
          }}
        >
          <Link2 /> Copy link
        </MenuItem>
        <MenuItem
          data-testid="archive-session"
          onSelect={() =>
            report(
              archived ? 'The session was not restored' : 'The session was not archived',
              archived
                ? db.actions.updateSession(id, { archivedAt: null })
                : db.actions.archiveSession(id),
            )
          }
        >
          {archived ? <ArchiveRestore /> : <Archive />} {archived ? 'Restore' : 'Archive'}
        </MenuItem>
        {session.contentBytes !== null && (
          <MenuLink href={`/api/uploads/${encodeURIComponent(id)}/content`} download>
            <Download /> Download the log
          </MenuLink>
        )}
        <MenuSeparator />
        <MenuItem danger data-testid="delete-session" onSelect={removeSession}>
          <Trash2 /> Delete
        </MenuItem>
      </Menu>
      {dialog === 'share' && <ShareDialog session={session} onClose={() => setDialog(null)} />}
      {dialog === 'rename' && (
        <TitleDialog
          title="Rename session"
          description="Everyone who sees the session sees its new title."
          initial={title}
          action="Save"
          onClose={() => setDialog(null)}
          onSubmit={(next) =>
            report('The session was not renamed', db.actions.updateSession(id, { title: next }))
          }
        />
      )}
    </>
  )
}
