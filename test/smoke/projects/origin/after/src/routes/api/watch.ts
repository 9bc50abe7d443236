import { resolve } from 'node:path'
import { createFileRoute } from '@tanstack/react-router'
import {
  ensureSessionUploadForFile,
  getSessionUploadContent,
  listSessionUploadRecords,
  refreshSessionUploadFromSource,
} from '../../lib/stores.server'

// Refreshes the upload of a log from its file, as the session list does while it is open.
export const Route = createFileRoute('/api/watch')({
  server: {
    handlers: {
      GET: async () => {
        const absolutePath = resolve('logs/run.jsonl')
        const file = { relativePath: 'run.jsonl', absolutePath, source: 'external' } as const
        const { id } = await ensureSessionUploadForFile(file)
        const upload = await refreshSessionUploadFromSource(id)
        const content = await getSessionUploadContent(id)
        return Response.json({ upload, content, count: (await listSessionUploadRecords()).length })
      },
    },
  },
})
