import { createFileRoute } from '@tanstack/react-router'
import { Skeleton } from '#/components/screens'
import { SessionPage } from '#/components/session-page'
import { parseSessionSearch } from '#/lib/session-page-search'

export const Route = createFileRoute('/_app/sessions/$sessionId')({
  validateSearch: parseSessionSearch,
  // The server renders the list; a session's collections live in the browser.
  ssr: 'data-only',
  pendingComponent: Skeleton,
  component: function SessionRoute() {
    const { sessionId } = Route.useParams()
    return <SessionPage key={sessionId} sessionId={sessionId} />
  },
})
