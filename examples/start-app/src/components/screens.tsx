import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router'
import { CircleAlert, Compass, type LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import { Button } from './ui/button'

interface NoticeProps {
  icon: LucideIcon
  title: string
  children?: ReactNode
  testId?: string
  /** True for the page's title: the main part has nothing else. */
  isPage?: boolean
}

/** The placeholder of a pane without content: the state, and what to do. */
export function Notice({ icon: Icon, title, children, testId, isPage = false }: NoticeProps) {
  const Title = isPage ? 'h1' : 'p'
  return (
    <div
      data-testid={testId}
      className="m-auto flex max-w-xs flex-col items-center p-6 text-center"
    >
      <div className="mb-3 rounded-full bg-muted p-3 text-muted-foreground">
        <Icon className="size-5" aria-hidden />
      </div>
      <Title className="text-sm font-medium">{title}</Title>
      {children && (
        <div className="mt-1 text-[13px] leading-5 text-balance text-muted-foreground">
          {children}
        </div>
      )}
    </div>
  )
}

export function ErrorScreen({ error }: ErrorComponentProps) {
  const router = useRouter()
  return (
    <main className="flex min-h-dvh">
      <Notice icon={CircleAlert} title="This page could not be shown" isPage>
        <p className="break-words">
          {error instanceof Error ? error.message : 'Something unexpected happened.'}
        </p>
        <Button className="mt-4" onClick={() => router.invalidate()}>
          Try again
        </Button>
      </Notice>
    </main>
  )
}

export function NotFoundScreen() {
  return (
    <main className="flex min-h-dvh">
      <Notice icon={Compass} title="There is no such page" isPage>
        <Link to="/" className="font-medium text-accent-text underline underline-offset-4">
          Go to your sessions
        </Link>
      </Notice>
    </main>
  )
}

const rowNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

/** Grey rows while content is loading. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div className="space-y-4 p-4" role="status" aria-label="Loading">
      {rowNames.slice(0, rows).map((name) => (
        <div key={name} className="animate-pulse space-y-2">
          <div className="h-3.5 w-2/3 rounded bg-muted" />
          <div className="h-3 w-2/5 rounded bg-muted" />
        </div>
      ))}
    </div>
  )
}
