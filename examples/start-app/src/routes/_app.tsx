import { createFileRoute, Outlet, redirect, useParams } from '@tanstack/react-router'
import { AppHeader } from '#/components/app-header'
import { Skeleton } from '#/components/screens'
import { SessionDbProvider } from '#/components/session-db'
import { SessionList } from '#/components/session-list'
import { cn } from '#/lib/cn'

// The collections live in the browser, so this part of the page is rendered there only; the server
// still decides who is signed in.
export const Route = createFileRoute('/_app')({
  ssr: 'data-only',
  beforeLoad: ({ context }) => {
    if (!context.user) throw redirect({ to: '/sign-in' })
    return { user: context.user }
  },
  pendingComponent: () => <Skeleton />,
  component: App,
})

function App() {
  const { user } = Route.useRouteContext()
  const { sessionId } = useParams({ strict: false })
  return (
    <SessionDbProvider user={user}>
      <div className="flex h-dvh flex-col">
        <AppHeader />
        <div className="flex min-h-0 flex-1">
          <nav
            aria-label="Sessions"
            className={cn(
              'min-h-0 w-full shrink-0 flex-col bg-surface md:flex md:w-72 md:border-r 2xl:w-80',
              sessionId === undefined ? 'flex' : 'hidden',
            )}
          >
            <SessionList />
          </nav>
          <main
            className={cn('min-w-0 flex-1 md:flex', sessionId === undefined ? 'hidden' : 'flex')}
          >
            <Outlet />
          </main>
        </div>
      </div>
    </SessionDbProvider>
  )
}
