import type { Server } from 'node:http'
import { resolve } from 'node:path'
import { type ServerMiddleware, serve } from 'srvx'
import { staticMiddleware } from 'srvx/static'

// Serves the build: files with a hash in their name as immutable, other files and pages without
// caching. Reads its settings from the environment. Ends with the process that forked it, or at a signal.

const MAX_BODY_BYTES = 16 * 1024 * 1024
const dist = resolve(import.meta.dirname, '../dist')
const app = (await import(resolve(dist, 'server/server.js'))) as {
  default: { fetch: (request: Request) => Promise<Response> }
  shutdownOf: (server: Server) => () => Promise<void>
}

const files = staticMiddleware({ dir: resolve(dist, 'client') })
const hashedFiles = staticMiddleware({
  dir: resolve(dist, 'client'),
  maxAge: 365 * 24 * 60 * 60,
  immutable: true,
})

/** A client that disconnects is not an error. Start logs every error without a 4xx status. */
function withQuietAbort(request: Request): Request {
  const { signal } = request
  signal.addEventListener('abort', () => Object.assign(signal.reason, { status: 499 }))
  return request
}

/** Replaces the client's header. The app counts sign-in attempts by it. */
const withClientAddress: ServerMiddleware = (request, next) => {
  request.headers.set('x-client-ip', request.ip ?? '')
  return next()
}

function listen(port: number) {
  return serve({
    fetch: (request) => app.default.fetch(withQuietAbort(request)),
    trustProxy: process.env.BEHIND_BALANCER ? 'loopback' : false,
    middleware: [
      withClientAddress,
      (request, next) =>
        new URL(request.url).pathname.startsWith('/assets/')
          ? hashedFiles(request, next)
          : files(request, next),
    ],
    maxRequestBodySize: MAX_BODY_BYTES,
    hostname: process.env.HOST ?? '127.0.0.1',
    port,
    silent: true,
    gracefulShutdown: false,
  }).ready()
}

async function listenSomewhere() {
  const port = Number(process.env.PORT)
  try {
    return await listen(port)
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (!taken) throw error
    if (!process.env.PORT_IS_FIXED) return listen(0)
    console.error(`Port ${port} is taken. Choose another one with --port.`)
    process.exit(1)
  }
}

const server = await listenSomewhere()
const shutdown = app.shutdownOf(server.node?.server as Server)
process.once('SIGTERM', async () => {
  await shutdown()
  // The channel to the parent keeps a process alive.
  if (process.connected) process.disconnect()
})
if (process.send) {
  // Ctrl-C reaches every process of the terminal, but only the parent decides when to stop.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  process.once('disconnect', shutdown)
  process.send(server.url?.replace(/\/$/, ''))
} else {
  process.once('SIGINT', shutdown)
  console.info(`Listening on ${server.url}`)
}
