import { createFileRoute, Outlet, redirect, retainSearchParams } from '@tanstack/react-router'
import { AppFrame, AppFrameSkeleton } from '#/components/app-frame'
import { AppHeader } from '#/components/app-header'
import { SessionDbProvider } from '#/components/session-db'
import { SearchPalette } from '#/components/sessions/search-palette'
import { SideList } from '#/components/sessions/session-list'
import { UploadsProvider } from '#/components/sessions/uploads'
import { RemovalsProvider } from '#/components/undo'
import { parseListSearch } from '#/lib/session-search'
import { newestSessions } from '#/server/rows.functions'

// The server checks the sign-in, renders the layout, and sends the newest sessions with the HTML.
export const Route = createFileRoute('/_app')({
  ssr: 'data-only',
  validateSearch: parseListSearch,
  // The list's filters stay while sessions are opened.
  search: { middlewares: [retainSearchParams(['q', 'format', 'repo', 'status'])] },
  beforeLoad: ({ context, location }) => {
    if (!context.user) {
      const next = location.href === '/' ? undefined : location.href
      throw redirect({ to: '/sign-in', search: { next } })
    }
    return { user: context.user }
  },
  // In the browser, the collections have the rows already.
  loader: async () => (typeof window === 'undefined' ? [await newestSessions()] : []),
  staleTime: Number.POSITIVE_INFINITY,
  pendingComponent: AppFrameSkeleton,
  component: App,
})

function App() {
  const { user } = Route.useRouteContext()
  const initialRows = Route.useLoaderData()
  return (
    <SessionDbProvider key={`${user.tenantId}/${user.id}`} user={user} initialRows={initialRows}>
      <RemovalsProvider>
        <UploadsProvider>
          <AppFrame header={<AppHeader />} list={<SideList />}>
            <Outlet />
          </AppFrame>
          <SearchPalette />
        </UploadsProvider>
      </RemovalsProvider>
    </SessionDbProvider>
  )
}
