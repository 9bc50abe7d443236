import { createFileRoute } from '@tanstack/react-router'
import { serveShape } from '#/server/session-db.server'

// ANY, not GET: other methods would fall through to the app's pages with status 200.
export const Route = createFileRoute('/api/shapes/$')({
  server: { handlers: { ANY: ({ request }) => serveShape(request) } },
})
