import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from './serve-parent.ts'

/**
 * The minimal proxy on Node: it pipes bytes through Node's streams without authentication, checks or
 * rewriting. Its cost is that of a third process between client and engine; the rest is our proxy's.
 */
const { electricUrl } = JSON.parse(process.argv[2] ?? '{}') as { electricUrl: string }
const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })

const server = createServer((asked, answer) => {
  const upstream = request(`${electricUrl}${asked.url}`, { agent }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(answer)
  })
  answer.on('close', () => upstream.destroy())
  upstream.on('error', () => answer.destroy())
  upstream.end()
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serveParent(`http://127.0.0.1:${port}`, async () => {
    server.close()
    server.closeAllConnections()
    agent.destroy()
  })
})
