import { createFileRoute, redirect } from '@tanstack/react-router'
import { AuthForm, AuthPage } from '#/components/auth/auth-page'
import { authClient } from '#/lib/auth-client'

// The target of an invitation's link. It works for one e-mail address; the server checks that.
export const Route = createFileRoute('/join/$invitationId')({
  beforeLoad: ({ context, location }) => {
    if (!context.user) throw redirect({ to: '/sign-up', search: { next: location.pathname } })
    return { user: context.user }
  },
  component: Join,
})

function Join() {
  const { invitationId } = Route.useParams()
  const { user } = Route.useRouteContext()
  return (
    <AuthPage title="You are invited">
      <p className="mt-2 text-sm leading-6 text-muted-foreground">
        You are signed in as {user.name} ({user.email}). Join the organisation to see what it
        shares; you can switch between your organisations at any time.
      </p>
      <AuthForm
        action="Join"
        submit={() => authClient.organization.acceptInvitation({ invitationId })}
        onDone={() => window.location.assign('/')}
      >
        {null}
      </AuthForm>
    </AuthPage>
  )
}
