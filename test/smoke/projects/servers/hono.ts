import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { createShutdown } from '@org/session-db/server'
import { Hono } from 'hono'
import { serveShape, serveWrites } from './handlers.ts'

const app = new Hono()
app.all('/api/shapes/*', (context) => serveShape(context.req.raw))
app.post('/api/write', (context) => serveWrites(context.req.raw))

const port = Number(process.env.PORT)
const server = serve({ fetch: app.fetch, port }) as Server
process.once('SIGTERM', createShutdown({ server, stop: [serveShape] }))
