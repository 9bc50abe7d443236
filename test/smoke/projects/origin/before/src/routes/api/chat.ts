import { createFileRoute } from '@tanstack/react-router'
import { getChat } from '../../lib/chat.functions'

export const Route = createFileRoute('/api/chat')({
  server: { handlers: { GET: async () => Response.json(await getChat()) } },
})
