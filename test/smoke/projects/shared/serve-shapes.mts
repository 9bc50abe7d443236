import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Writable } from 'node:stream'

/** Serves a shape proxy over HTTP as an app's server does. Copied beside the projects. */
export async function serveShapes(
  proxy: (request: Request) => Promise<Response>,
): Promise<{ electricUrl: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const aborting = new AbortController()
    response.on('close', () => aborting.abort())
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = 'GET' } = request
    const answer = await proxy(
      new Request(`http://127.0.0.1${request.url}`, {
        method,
        headers: request.headers as Record<string, string>,
        signal: aborting.signal,
        ...(method === 'POST' ? { body: Buffer.concat(chunks) } : {}),
      }),
    )
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    await answer.body?.pipeTo(Writable.toWeb(response)).catch(() => response.destroy())
    if (!answer.body) response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert(typeof address === 'object' && address !== null)
  return {
    electricUrl: `http://127.0.0.1:${address.port}/api/shapes`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
