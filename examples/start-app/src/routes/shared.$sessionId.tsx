import { createFileRoute, redirect } from '@tanstack/react-router'
import { AuthForm, AuthPage } from '#/components/auth/auth-page'
import { openLink } from '#/server/links.functions'

// The target of a session's link. Its token is in the fragment, which browsers don't send to servers.
export const Route = createFileRoute('/shared/$sessionId')({
  beforeLoad: ({ context, location }) => {
    if (!context.user) throw redirect({ to: '/sign-in', search: { next: location.href } })
  },
  component: SharedSession,
})

function SharedSession() {
  const { sessionId } = Route.useParams()
  return (
    <AuthPage title="A session is shared with you">
      <p className="mt-2 text-sm leading-6 text-muted-foreground">
        Everyone in the session’s organisation who has this link can open it.
      </p>
      <AuthForm
        action="Open the session"
        submit={() => open(window.location.hash.slice(1))}
        onDone={() => window.location.assign(`/sessions/${encodeURIComponent(sessionId)}`)}
      >
        {null}
      </AuthForm>
    </AuthPage>
  )
}

async function open(token: string) {
  try {
    await openLink({ data: token })
    return { error: null }
  } catch (error) {
    return { error: { status: 0, message: error instanceof Error ? error.message : '' } }
  }
}
