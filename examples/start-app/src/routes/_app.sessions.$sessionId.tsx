import { createFileRoute } from '@tanstack/react-router'
import { SessionPage } from '#/components/session-page'
import { parseSessionSearch } from '#/lib/session-page-search'

export const Route = createFileRoute('/_app/sessions/$sessionId')({
  validateSearch: parseSessionSearch,
  component: function SessionRoute() {
    const { sessionId } = Route.useParams()
    return <SessionPage key={sessionId} sessionId={sessionId} />
  },
})
