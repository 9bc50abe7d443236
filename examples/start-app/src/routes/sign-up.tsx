import { createFileRoute, Link, redirect } from '@tanstack/react-router'
import { AuthForm, AuthPage, Field } from '#/components/auth/auth-page'
import { authClient } from '#/lib/auth-client'
import { ownPath } from '#/lib/own-path'

export const Route = createFileRoute('/sign-up')({
  validateSearch: (search): { next?: string } =>
    typeof search.next === 'string' ? { next: search.next } : {},
  beforeLoad: ({ context, search }) => {
    if (context.user) throw redirect({ href: ownPath(search.next) })
  },
  component: SignUp,
})

function SignUp() {
  const { next } = Route.useSearch()
  return (
    <AuthPage title="Create an account">
      <AuthForm
        action="Create account"
        submit={({ name = '', email = '', password = '' }) =>
          authClient.signUp.email({ name, email, password })
        }
        onDone={() => window.location.assign(ownPath(next))}
      >
        <Field name="name" label="Name" autoComplete="name" maxLength={100} />
        <Field name="email" label="E-mail" type="email" autoComplete="username" />
        <Field
          name="password"
          label="Password, 8 characters or more"
          type="password"
          autoComplete="new-password"
          minLength={8}
          maxLength={128}
        />
      </AuthForm>
      <p className="mt-4 text-sm text-muted-foreground">
        You have one?{' '}
        <Link to="/sign-in" search={{ next }} className="font-medium text-accent-text underline">
          Sign in
        </Link>
      </p>
    </AuthPage>
  )
}
