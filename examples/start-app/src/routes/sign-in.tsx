import { createFileRoute, redirect } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { Avatar } from '#/components/avatar'
import { Logo } from '#/components/logo'
import { demoUsers } from '#/lib/demo-users'
import { signIn } from '#/server/auth.functions'

export const Route = createFileRoute('/sign-in')({
  beforeLoad: ({ context }) => {
    if (context.user) throw redirect({ to: '/' })
  },
  component: SignIn,
})

const tenants = [...new Set(demoUsers.map((user) => user.tenantName))]

// A plain form, so that it works before the page's script has loaded.
function SignIn() {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-5 py-10">
      <form method="post" action={signIn.url} className="w-full max-w-sm">
        <Logo className="size-10" />
        <h1 className="mt-5 text-2xl font-semibold tracking-tight">Sign in to Sessions</h1>
        <p className="mt-2 text-sm leading-6 text-muted-foreground">
          Choose a demo user. Ann and Bob share a tenant, Eve has one of her own: open two windows
          and see who sees what.
        </p>
        {tenants.map((tenant) => (
          <section key={tenant} className="mt-6" aria-labelledby={`tenant-${tenant}`}>
            <h2 id={`tenant-${tenant}`} className="text-xs font-medium text-muted-foreground">
              {tenant}
            </h2>
            <ul className="mt-2 divide-y overflow-hidden rounded-xl border bg-surface shadow-xs">
              {demoUsers
                .filter((user) => user.tenantName === tenant)
                .map((user) => (
                  <li key={user.id}>
                    <button
                      type="submit"
                      name="user"
                      value={user.id}
                      data-testid={`sign-in-${user.id}`}
                      className="flex w-full items-center gap-3 px-4 py-3 text-left text-sm font-medium hover:bg-muted focus-visible:-outline-offset-2"
                    >
                      <Avatar name={user.name} />
                      <span className="flex-1">Continue as {user.name}</span>
                      <ChevronRight className="size-4 text-muted-foreground" aria-hidden />
                    </button>
                  </li>
                ))}
            </ul>
          </section>
        ))}
      </form>
    </main>
  )
}
