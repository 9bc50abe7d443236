import { Check, ChevronsUpDown, Plus, Users } from 'lucide-react'
import { useState } from 'react'
import { useSessionDb } from '#/components/session-db'
import { TitleDialog } from '#/components/ui/later-dialogs'
import { Menu, MenuItem, MenuLabel, MenuSeparator } from '#/components/ui/menu'
import { useToast } from '#/components/ui/toaster'
import type { AuthClient } from '#/lib/auth-client'
import { later } from '#/lib/later'

const PeopleDialog = later(() => import('./people-dialog'))

/** Shows the current organisation and switches to others. */
export function OrganizationMenu() {
  const { db, user } = useSessionDb()
  const toast = useToast()
  const [dialog, setDialog] = useState<'create' | 'people' | null>(null)

  /** After the change the session belongs to another organisation, so every tab reloads. */
  async function change(
    title: string,
    attempt: (client: AuthClient) => Promise<{ error: { message?: string } | null }>,
  ) {
    const { error } = await import('#/lib/auth-client')
      .then(({ authClient }) => attempt(authClient))
      .catch(() => ({ error: { message: 'Try again in a moment.' } }))
    if (error) toast({ title, text: error.message ?? '' })
    // `onSignedOut` then loads the new organisation's page.
    else await db.signOut()
  }

  return (
    <>
      <Menu
        trigger={
          <button
            type="button"
            data-testid="organization-menu"
            aria-label={`Organisation: ${user.tenantName}`}
            className="flex min-w-0 items-center gap-1 rounded-md px-1.5 py-1 text-sm text-muted-foreground hover:bg-muted hover:text-foreground"
          >
            <span className="truncate" data-testid="tenant">
              {user.tenantName}
            </span>
            <ChevronsUpDown className="size-3.5 shrink-0" aria-hidden />
          </button>
        }
      >
        <MenuLabel>Organisations</MenuLabel>
        {user.organizations.map(({ id, name }) => (
          <MenuItem
            key={id}
            data-testid={`organization-${id}`}
            disabled={id === user.tenantId}
            onSelect={() =>
              change(`${name} cannot be opened`, (client) =>
                client.organization.setActive({ organizationId: id }),
              )
            }
          >
            <Check className={id === user.tenantId ? '' : 'invisible'} aria-hidden />
            {name}
          </MenuItem>
        ))}
        <MenuSeparator />
        <MenuItem data-testid="people" onSelect={() => setDialog('people')}>
          <Users /> People and invitations
        </MenuItem>
        <MenuItem data-testid="new-organization" onSelect={() => setDialog('create')}>
          <Plus /> New organisation
        </MenuItem>
      </Menu>
      {dialog === 'people' && <PeopleDialog onClose={() => setDialog(null)} />}
      {dialog === 'create' && (
        <TitleDialog
          title="New organisation"
          description="A place of its own for sessions. Invite people once it is there."
          initial=""
          action="Create"
          onClose={() => setDialog(null)}
          onSubmit={(name) =>
            change('The organisation was not created', (client) =>
              client.organization.create({ name, slug: crypto.randomUUID() }),
            )
          }
        />
      )}
    </>
  )
}
