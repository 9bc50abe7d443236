import type { RequestListener } from 'node:http'
import { createShutdown } from '@org/session-db/server'
import express from 'express'
import { toNodeHandler } from 'srvx/node'
import { serveShape, serveWrites } from './handlers.ts'

const app = express()
// Before express.json(), which would read the bodies.
app.all('/api/shapes/*path', toNodeHandler(serveShape) as RequestListener)
app.post('/api/write', toNodeHandler(serveWrites) as RequestListener)

const server = app.listen(Number(process.env.PORT))
process.once('SIGTERM', createShutdown({ server, stop: [serveShape] }))
