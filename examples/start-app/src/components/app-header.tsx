import type { SessionCollections } from '@org/session-db'
import { Link } from '@tanstack/react-router'
import { LogOut, Settings, SunMoon } from 'lucide-react'
import { useState } from 'react'
import { later } from '#/lib/later'
import { toggleTheme } from '#/lib/theme'
import { OrganizationMenu } from './auth/organization-menu'
import { Avatar } from './avatar'
import { Logo } from './logo'
import { useSessionDb } from './session-db'
import { SyncBadge } from './sync-badge'
import { Button } from './ui/button'
import { Menu, MenuItem, MenuLabel, MenuSeparator } from './ui/menu'
import { Tooltip } from './ui/tooltip'

const SettingsDialog = later(() => import('./settings-dialog'))

export function AppHeader() {
  const { db, user } = useSessionDb()
  const [hasSettings, setHasSettings] = useState(false)
  return (
    <>
      <Link to="/" className="flex items-center gap-2.5 rounded-md font-semibold tracking-tight">
        <Logo />
        <span className="sr-only sm:not-sr-only">Sessions</span>
      </Link>
      <span className="text-border" aria-hidden>
        /
      </span>
      <OrganizationMenu />
      <div className="ml-auto flex items-center gap-1.5">
        <SyncBadge />
        <Tooltip label="Light or dark">
          <Button
            variant="ghost"
            size="icon"
            aria-label="Switch between light and dark"
            onClick={toggleTheme}
          >
            <SunMoon />
          </Button>
        </Tooltip>
        <Menu
          trigger={
            <button
              type="button"
              data-testid="user-menu"
              aria-label={`Signed in as ${user.name}`}
              className="rounded-full"
            >
              <Avatar name={user.name} />
            </button>
          }
        >
          <MenuLabel>
            Signed in as <strong className="font-medium text-foreground">{user.name}</strong>
            <br />
            {user.email}
          </MenuLabel>
          <MenuSeparator />
          <MenuItem data-testid="open-settings" onSelect={() => setHasSettings(true)}>
            <Settings /> Settings
          </MenuItem>
          <MenuItem data-testid="sign-out" onSelect={() => leave(db)}>
            <LogOut /> Sign out
          </MenuItem>
        </Menu>
      </div>
      {hasSettings && <SettingsDialog onClose={() => setHasSettings(false)} />}
    </>
  )
}

/** Signs out on the server, then reloads all tabs of this user. */
async function leave(db: SessionCollections) {
  const { authClient } = await import('#/lib/auth-client')
  await authClient.signOut()
  await db.signOut()
}
