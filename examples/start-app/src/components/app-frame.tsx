import { useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { cn } from '#/lib/cn'
import { Logo } from './logo'
import { Skeleton } from './screens'

interface AppFrameProps {
  header: ReactNode
  list: ReactNode
  children: ReactNode
}

/**
 * The layout: header, session list and open session. A small screen shows the list or the session.
 */
export function AppFrame({ header, list, children }: AppFrameProps) {
  const { sessionId } = useParams({ strict: false })
  return (
    <div className="flex h-dvh flex-col">
      <a
        href="#main"
        className="sr-only rounded-md bg-accent px-3 py-2 text-sm text-accent-foreground focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-70"
      >
        Skip to the session
      </a>
      <header className="flex h-13 shrink-0 items-center gap-2 border-b bg-surface px-3 sm:px-4">
        {header}
      </header>
      <div className="flex min-h-0 flex-1">
        <nav
          aria-label="Sessions"
          className={cn(
            'min-h-0 w-full shrink-0 flex-col bg-surface md:flex md:w-72 md:border-r 2xl:w-80',
            sessionId === undefined ? 'flex' : 'hidden',
          )}
        >
          {list}
        </nav>
        <main
          id="main"
          tabIndex={-1}
          className={cn(
            'flex min-w-0 flex-1 outline-none',
            // Every page has a main part, even if the screen only shows the list.
            sessionId === undefined && 'max-md:sr-only',
          )}
        >
          {children}
        </main>
      </div>
    </div>
  )
}

/** The same layout without content: the server's first response, so that nothing moves later. */
export function AppFrameSkeleton() {
  return (
    <AppFrame header={<Logo />} list={<Skeleton />}>
      <div className="flex-1">
        <Skeleton />
      </div>
    </AppFrame>
  )
}
