import type { RequestListener } from 'node:http'
import { createShutdown } from '@org/session-db/server'
import fastify from 'fastify'
import { toNodeHandler } from 'srvx/node'
import { serveShape, serveWrites } from './handlers.ts'

const app = fastify()
app.register(async (routes) => {
  // The handlers read the bodies themselves.
  routes.removeAllContentTypeParsers()
  routes.addContentTypeParser('*', (_request, _body, done) => done(null))
  const mount = (path: string, serve: (request: Request) => Promise<Response>) => {
    const handle = toNodeHandler(serve) as RequestListener
    routes.all(path, (request, reply) => {
      reply.hijack()
      return handle(request.raw, reply.raw)
    })
  }
  mount('/api/shapes/*', serveShape)
  mount('/api/write', serveWrites)
})

await app.listen({ port: Number(process.env.PORT) })
process.once('SIGTERM', createShutdown({ server: app.server, stop: [serveShape] }))
