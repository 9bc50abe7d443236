import { createFileRoute, Outlet, redirect, retainSearchParams } from '@tanstack/react-router'
import { AppFrame, AppFrameSkeleton } from '#/components/app-frame'
import { AppHeader } from '#/components/app-header'
import { SessionDbProvider } from '#/components/session-db'
import { SessionList } from '#/components/sessions/session-list'
import { UploadsProvider } from '#/components/sessions/uploads'
import { RemovalsProvider } from '#/components/undo'
import { parseListSearch } from '#/lib/session-search'

// The collections live in the browser, so this part is only rendered there. The server renders the
// layout and checks the sign-in.
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
  pendingComponent: AppFrameSkeleton,
  component: App,
})

function App() {
  const { user } = Route.useRouteContext()
  return (
    <SessionDbProvider key={`${user.tenantId}/${user.id}`} user={user}>
      <RemovalsProvider>
        <UploadsProvider>
          <AppFrame header={<AppHeader />} list={<SessionList />}>
            <Outlet />
          </AppFrame>
        </UploadsProvider>
      </RemovalsProvider>
    </SessionDbProvider>
  )
}
