import { createFileRoute, Link, redirect } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { useEffect } from 'react'
import { AuthForm, AuthPage, Field } from '#/components/auth/auth-page'
import { Avatar } from '#/components/avatar'
import { authClient } from '#/lib/auth-client'
import type { SeededUser } from '#/lib/demo-users'
import { forgetDrafts } from '#/lib/drafts'
import { ownPath } from '#/lib/own-path'
import { listDemoUsers, signInAsDemoUser } from '#/server/auth.functions'

interface SignInSearch {
  /** The path to open after signing in. */
  next?: string
  /** True after an expired session. */
  ended?: true
  /** True after a sign-out. */
  left?: true
}

export const Route = createFileRoute('/sign-in')({
  validateSearch: (search): SignInSearch => ({
    ...(typeof search.next === 'string' && { next: search.next }),
    ...(search.ended !== undefined && { ended: true }),
    ...(search.left !== undefined && { left: true }),
  }),
  beforeLoad: ({ context, search }) => {
    if (context.user) throw redirect({ href: ownPath(search.next) })
  },
  loader: () => listDemoUsers(),
  component: SignIn,
})

function SignIn() {
  const demoUsers = Route.useLoaderData()
  const { next, ended, left } = Route.useSearch()
  useEffect(() => {
    if (left) forgetDrafts()
  }, [left])
  return (
    <AuthPage title="Sign in to Sessions">
      {ended && (
        <p role="status" className="mt-3 rounded-lg bg-muted px-3 py-2 text-sm">
          Your session has ended. Sign in to go on where you were; what you wrote is kept.
        </p>
      )}
      <AuthForm
        action="Sign in"
        submit={({ email = '', password = '' }) => authClient.signIn.email({ email, password })}
        // Loads a new page, so that nothing of the previous user stays in memory. The fragment may be
        // the token of a link.
        onDone={() => window.location.assign(ownPath(next) + window.location.hash)}
      >
        <Field name="email" label="E-mail" type="email" autoComplete="username" />
        <Field name="password" label="Password" type="password" autoComplete="current-password" />
      </AuthForm>
      <p className="mt-4 text-sm text-muted-foreground">
        New here?{' '}
        <Link to="/sign-up" search={{ next }} className="font-medium text-accent-text underline">
          Create an account
        </Link>
      </p>
      {demoUsers.length > 0 && <DemoUsers users={demoUsers} next={next} />}
    </AuthPage>
  )
}

// A plain form, which works before the page's script has loaded.
function DemoUsers({ users, next }: { users: readonly SeededUser[]; next: string | undefined }) {
  return (
    <form method="post" action={signInAsDemoUser.url} className="mt-8 border-t pt-6">
      <h2 className="text-sm font-medium">Or look around</h2>
      <p className="mt-1 text-sm text-muted-foreground">
        Ann and Bob are in one organisation, Eve is in another: open two windows and see who sees
        what.
      </p>
      <input type="hidden" name="next" value={ownPath(next)} />
      <ul className="mt-3 divide-y overflow-hidden rounded-xl border bg-surface shadow-xs">
        {users.map((user) => (
          <li key={user.id}>
            <button
              type="submit"
              name="user"
              value={user.id}
              data-testid={`sign-in-${user.id}`}
              className="flex w-full items-center gap-3 px-4 py-2.5 text-left text-sm font-medium hover:bg-muted focus-visible:-outline-offset-2"
            >
              <Avatar name={user.name} />
              <span className="flex-1">
                Continue as {user.name}{' '}
                <span className="font-normal text-muted-foreground">({user.tenantName})</span>
              </span>
              <ChevronRight className="size-4 text-muted-foreground" aria-hidden />
            </button>
          </li>
        ))}
      </ul>
    </form>
  )
}
