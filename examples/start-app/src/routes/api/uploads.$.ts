import { createFileRoute } from '@tanstack/react-router'
import { serveUploads } from '#/server/session-db.server'

// /api/uploads itself, too: a splat may be empty.
export const Route = createFileRoute('/api/uploads/$')({
  server: { handlers: { ANY: ({ request }) => serveUploads(request) } },
})
