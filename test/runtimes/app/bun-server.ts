import { serveShape } from './server.ts'

const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 60, fetch: serveShape })
console.log(server.url.origin)
