import { createRootRoute, HeadContent, Outlet, Scripts } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { Toaster } from '#/components/ui/toaster'
import { knownUser } from '#/lib/sign-in'
import { themeScript } from '#/lib/theme'
import styles from '#/styles.css?url'

export const Route = createRootRoute({
  beforeLoad: async () => ({ user: await knownUser() }),
  head: () => ({
    meta: [
      { charSet: 'utf-8' },
      { name: 'viewport', content: 'width=device-width, initial-scale=1' },
      { name: 'description', content: 'Coding sessions and the chats about them, live.' },
      { title: 'Sessions' },
    ],
    links: [
      { rel: 'stylesheet', href: styles },
      { rel: 'icon', href: '/icon.svg', type: 'image/svg+xml' },
    ],
    scripts: [{ children: themeScript }],
  }),
  shellComponent: Document,
  component: () => (
    <Toaster>
      <Outlet />
    </Toaster>
  ),
})

// The theme script may add a class to <html> before React hydrates it.
function Document({ children }: { children: ReactNode }) {
  return (
    <html lang="en" suppressHydrationWarning>
      <head>
        <HeadContent />
      </head>
      <body>
        {children}
        <Scripts />
      </body>
    </html>
  )
}
