import { createFileRoute } from '@tanstack/react-router'
import { serveUploads } from '#/server/session-db.server'

// A splat may be empty, so this also matches /api/uploads.
export const Route = createFileRoute('/api/uploads/$')({
  server: { handlers: { ANY: ({ request }) => serveUploads(request) } },
})
