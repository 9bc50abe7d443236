import { createShutdown } from '@org/session-db/server'
import { serveShape } from './handlers.ts'

declare const Bun: { serve(options: object): { stop(): Promise<void> } }

const server = Bun.serve({ port: 3000, idleTimeout: 60, fetch: serveShape })
process.once('SIGTERM', createShutdown({ server: () => server.stop(), stop: [serveShape] }))
