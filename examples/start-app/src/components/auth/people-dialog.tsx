import { Copy } from 'lucide-react'
import { type FormEvent, useCallback, useEffect, useState } from 'react'
import { Avatar } from '#/components/avatar'
import { useSessionDb } from '#/components/session-db'
import { Button } from '#/components/ui/button'
import { Dialog } from '#/components/ui/dialog'
import { authClient } from '#/lib/auth-client'

type Organization = typeof authClient.$Infer.ActiveOrganization

/** The members of an organisation, and the links of its invitations. */
export default function PeopleDialog({ onClose }: { onClose: () => void }) {
  const { user } = useSessionDb()
  const [organization, setOrganization] = useState<Organization | null>(null)
  const [problem, setProblem] = useState('')

  const load = useCallback(async () => {
    const { data, error } = await authClient.organization.getFullOrganization()
    setOrganization(data)
    setProblem(error?.message ?? '')
  }, [])
  useEffect(() => void load(), [load])

  async function attempt(action: Promise<{ error: { message?: string } | null }>) {
    const { error } = await action
    if (error) setProblem(error.message ?? 'That failed. Try again.')
    else await load()
  }

  async function invite(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    const email = String(new FormData(form).get('email'))
    await attempt(authClient.organization.inviteMember({ email, role: 'member' }))
    form.reset()
  }

  const members = organization?.members ?? []
  const invitations = organization?.invitations.filter(({ status }) => status === 'pending') ?? []
  const isOwner = members.some(({ userId, role }) => userId === user.id && role === 'owner')
  return (
    <Dialog
      title={`People of ${user.tenantName}`}
      description="Whoever is in an organisation sees the sessions that are shared with it."
      onClose={onClose}
    >
      <ul className="mt-4 space-y-2" data-testid="members">
        {members.map((member) => (
          <li key={member.id} className="flex items-center gap-2.5 text-sm">
            <Avatar name={member.user.name} />
            <span className="min-w-0 flex-1 truncate">
              {member.user.name} <span className="text-muted-foreground">{member.user.email}</span>
            </span>
            {isOwner && member.userId !== user.id ? (
              <Button
                size="sm"
                variant="ghost"
                data-testid={`remove-${member.userId}`}
                aria-label={`Remove ${member.user.name}`}
                onClick={() =>
                  attempt(authClient.organization.removeMember({ memberIdOrEmail: member.id }))
                }
              >
                Remove
              </Button>
            ) : (
              <span className="text-xs text-muted-foreground">{member.role}</span>
            )}
          </li>
        ))}
      </ul>
      {invitations.map(({ id, email }) => (
        <Invitation key={id} id={id} email={email} />
      ))}
      {isOwner && (
        <form onSubmit={invite} className="mt-4 flex gap-2">
          <input
            name="email"
            type="email"
            required
            aria-label="E-mail of the person to invite"
            placeholder="E-mail of the person to invite"
            data-testid="invite-email"
            className="h-9 min-w-0 flex-1 rounded-lg border bg-background px-3 text-sm"
          />
          <Button type="submit" data-testid="invite">
            Invite
          </Button>
        </form>
      )}
      {problem && (
        <p role="alert" className="mt-3 text-sm text-danger">
          {problem}
        </p>
      )}
    </Dialog>
  )
}

/** The demo sends no e-mail: pass the link on yourself. It only works for this address. */
function Invitation({ id, email }: { id: string; email: string }) {
  const link = `${window.location.origin}/join/${id}`
  return (
    <div className="mt-3 rounded-lg bg-muted p-3 text-sm">
      <p className="text-muted-foreground">
        For <strong className="font-medium text-foreground">{email}</strong> to join with:
      </p>
      <div className="mt-1.5 flex gap-2">
        <input
          readOnly
          value={link}
          aria-label={`Invitation link for ${email}`}
          data-testid="invitation-link"
          onFocus={(event) => event.target.select()}
          className="h-8 min-w-0 flex-1 rounded-lg border bg-background px-2 text-xs"
        />
        <Button
          size="icon"
          aria-label={`Copy the link for ${email}`}
          onClick={() => navigator.clipboard.writeText(link)}
        >
          <Copy />
        </Button>
      </div>
    </div>
  )
}
