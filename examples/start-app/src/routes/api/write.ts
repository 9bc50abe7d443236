import { createFileRoute } from '@tanstack/react-router'
import { serveWrite } from '#/server/session-db.server'

export const Route = createFileRoute('/api/write')({
  server: { handlers: { ANY: ({ request }) => serveWrite(request) } },
})
