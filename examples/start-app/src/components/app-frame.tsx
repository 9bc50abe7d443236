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

/** Where things are: header, sessions, and the open one; a small screen shows one of the last two. */
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
            // Every page has a main part, also where the screen has room for the list alone.
            sessionId === undefined && 'max-md:sr-only',
          )}
        >
          {children}
        </main>
      </div>
    </div>
  )
}

/** The same frame while there is nothing in it: what the server sends, and nothing moves after it. */
export function AppFrameSkeleton() {
  return (
    <AppFrame header={<Logo />} list={<Skeleton />}>
      <div className="flex-1">
        <Skeleton />
      </div>
    </AppFrame>
  )
}
