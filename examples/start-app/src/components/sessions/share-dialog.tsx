import { createLinkToken, type Session } from '@org/session-db'
import { useLiveQuery } from '@tanstack/react-db'
import { Building2, Copy, Link2, Users, X } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import type { AppUser } from '#/lib/app-user'
import { userName } from '#/lib/organization'
import { Avatar } from '../avatar'
import { useReport, useSessionDb } from '../session-db'
import { PaneLoading } from '../sync-badge'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'

const ROLES = { viewer: 'can view', member: 'can chat', editor: 'can edit' } as const
type Role = keyof typeof ROLES

interface ShareDialogProps {
  session: Session
  onClose: () => void
}

/** Shows who sees a session, for its owner to change. */
export default function ShareDialog({ session, onClose }: ShareDialogProps) {
  const { db, user } = useSessionDb()
  const { grants: collection } = db.session(session.id)
  const { data: grants, isReady } = useLiveQuery({
    query: (q) => q.from({ grant: collection }).orderBy(({ grant }) => grant.createdAt, 'asc'),
  })
  const report = useReport()
  const taken = new Set(grants.map(({ grantee }) => grantee))
  return (
    <Dialog
      title={`Share “${session.title}”`}
      description="Changes take effect immediately, in every open window."
      onClose={onClose}
    >
      <ul className="-m-1 mt-3 max-h-[40vh] space-y-2 overflow-y-auto p-1" data-testid="grants">
        <li className="flex items-center gap-2.5 text-sm">
          <Avatar name={userName(session.ownerId)} />
          <span className="min-w-0 flex-1 truncate">{userName(session.ownerId)}</span>
          <span className="px-2 text-xs text-muted-foreground">owner</span>
        </li>
        {grants.map(({ id, grantee, role }) => {
          const name = granteeName(grantee, user)
          return (
            <li
              key={id}
              className="flex items-center gap-2.5 text-sm"
              data-testid={`grant-${grantee}`}
            >
              <GranteeIcon grantee={grantee} name={name} />
              <span className="min-w-0 flex-1 truncate">{name}</span>
              <RoleSelect
                label={`Role of ${name}`}
                value={role}
                onChange={(next) =>
                  report('The role was not changed', db.actions.changeRole(id, next))
                }
              />
              <Button
                size="icon"
                variant="ghost"
                aria-label={`Stop sharing with ${name}`}
                data-testid="revoke"
                onClick={() => report('The sharing was not changed', db.actions.unshareSession(id))}
              >
                <X />
              </Button>
            </li>
          )
        })}
      </ul>
      {!isReady && <PaneLoading status={db.status(collection)} rows={2} />}
      <ShareForm session={session} taken={taken} />
      <LinkForm session={session} />
      <div className="mt-4 flex justify-end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </Dialog>
  )
}

/** Shares with a person, a team or everyone. */
function ShareForm({ session, taken }: { session: Session; taken: ReadonlySet<string> }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const [grantee, setGrantee] = useState('')
  const [role, setRole] = useState<Role>('member')
  const isFree = (option: string) => !taken.has(option)
  const people = Object.keys(user.members)
    .filter((id) => id !== session.ownerId)
    .map((id) => `user:${id}`)
  const teams = user.teams.map(({ id }) => `team:${id}`)

  function share(event: FormEvent) {
    event.preventDefault()
    if (grantee === '') return
    report('The session was not shared', db.actions.shareSession(session.id, grantee, role))
    setGrantee('')
  }

  const options = (values: readonly string[]) =>
    values.filter(isFree).map((value) => (
      <option key={value} value={value}>
        {granteeName(value, user)}
      </option>
    ))
  return (
    <form
      onSubmit={share}
      className="mt-4 flex flex-wrap items-center justify-end gap-2 border-t pt-4"
    >
      <select
        // biome-ignore lint/a11y/noAutofocus: most people open the dialog to add someone
        autoFocus
        aria-label="Person, team or everyone"
        data-testid="share-with"
        value={grantee}
        onChange={(event) => setGrantee(event.target.value)}
        className="h-9 min-w-0 flex-1 basis-full rounded-lg border bg-background px-2.5 text-sm sm:basis-0"
      >
        <option value="">Add people or teams</option>
        <optgroup label="People">{options(people)}</optgroup>
        <optgroup label="Teams">{options(teams)}</optgroup>
        <optgroup label="Organisation">{options(['tenant'])}</optgroup>
      </select>
      <RoleSelect label="Role" value={role} onChange={setRole} />
      <Button type="submit" variant="primary" data-testid="share" disabled={grantee === ''}>
        Share
      </Button>
    </form>
  )
}

/** Creates a link and shows it once: only its hash is stored. */
function LinkForm({ session }: { session: Session }) {
  const { db, user } = useSessionDb()
  const report = useReport()
  const [url, setUrl] = useState('')

  async function create() {
    const { token, grantee } = await createLinkToken()
    const path = `/shared/${encodeURIComponent(session.id)}#${token}`
    report('The link was not created', db.actions.shareSession(session.id, grantee, 'viewer'))
    setUrl(new URL(path, window.location.origin).href)
  }

  return (
    <div className="mt-3 text-sm">
      {url === '' ? (
        <Button size="sm" data-testid="create-link" onClick={create}>
          <Link2 /> Create a link
        </Button>
      ) : (
        <div className="rounded-lg bg-muted p-3">
          <p className="text-muted-foreground">
            Everyone at {user.tenantName} who has this link can view the session. Copy it now: it is
            not shown again.
          </p>
          <div className="mt-1.5 flex gap-2">
            <input
              readOnly
              value={url}
              aria-label="Link to the session"
              data-testid="session-link"
              onFocus={(event) => event.target.select()}
              className="h-8 min-w-0 flex-1 rounded-lg border bg-background px-2 text-xs"
            />
            <Button
              size="icon"
              aria-label="Copy the link"
              onClick={() => navigator.clipboard.writeText(url)}
            >
              <Copy />
            </Button>
          </div>
        </div>
      )}
    </div>
  )
}

interface RoleSelectProps {
  label: string
  value: Role
  onChange: (role: Role) => void
}

function RoleSelect({ label, value, onChange }: RoleSelectProps) {
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value as Role)}
      className="h-9 rounded-lg border bg-background px-2 text-[13px]"
    >
      {Object.entries(ROLES).map(([role, name]) => (
        <option key={role} value={role}>
          {name}
        </option>
      ))}
    </select>
  )
}

function GranteeIcon({ grantee, name }: { grantee: string; name: string }) {
  if (grantee.startsWith('user:')) return <Avatar name={name} />
  const Icon = grantee === 'tenant' ? Building2 : grantee.startsWith('link:') ? Link2 : Users
  return (
    <span
      aria-hidden
      className="flex size-7 shrink-0 items-center justify-center rounded-full bg-muted text-muted-foreground"
    >
      <Icon className="size-4" />
    </span>
  )
}

function granteeName(grantee: string, { tenantName, teams }: AppUser): string {
  if (grantee === 'tenant') return `Everyone at ${tenantName}`
  const colon = grantee.indexOf(':')
  const id = grantee.slice(colon + 1)
  switch (grantee.slice(0, colon)) {
    case 'user':
      return userName(id)
    case 'team':
      return `Team ${teams.find((team) => team.id === id)?.name ?? id}`
    default:
      return 'Anyone with the link'
  }
}
