import { createFileRoute } from '@tanstack/react-router'
import { serveHealth } from '#/server/session-db.server'

export const Route = createFileRoute('/api/health/$')({
  server: { handlers: { ANY: ({ request }) => serveHealth(request) } },
})
