import { serve } from 'srvx'
import worker from './worker.ts'

const server = serve({
  hostname: '127.0.0.1',
  port: 0,
  silent: true,
  fetch: (request) => worker.fetch(request, process.env),
})
await server.ready()
console.log(server.url)
