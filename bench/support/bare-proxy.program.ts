import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from './serve-parent.ts'

/**
 * The least a proxy on Node can be: bytes in, bytes out, through Node's own streams. It knows nobody,
 * checks nothing and rewrites nothing. What a third process between client and engine costs on this
 * machine is what it costs; what is over that is ours.
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
