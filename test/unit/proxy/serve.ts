import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

export type Served = {
  url: string
  close(): Promise<void>
}

/** Listens on a free port of 127.0.0.1 with a plain Node handler. */
export async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Served & { server: Server }> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Serves a `Request → Response` function over HTTP. Its signal is aborted when the client disconnects. */
export function serve(handle: (request: Request) => Promise<Response>): Promise<Served> {
  return listen((incoming, outgoing) => answerOver(handle, incoming, outgoing))
}

/** Answers a request of `node:http` by such a function. */
export function answerOver(
  handle: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  const gone = new AbortController()
  outgoing.on('close', () => gone.abort())
  const method = incoming.method ?? 'GET'
  const body = method === 'GET' || method === 'HEAD' ? null : Readable.toWeb(incoming)
  const request = new Request(new URL(incoming.url ?? '/', 'http://app.test'), {
    method,
    body: body as BodyInit | null,
    duplex: 'half',
    headers: new Headers(incoming.headers as Record<string, string>),
    signal: gone.signal,
  } as RequestInit)
  void handle(request).then((response) => {
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    if (response.body === null) return outgoing.end()
    const answer = Readable.fromWeb(response.body as ReadableStream)
    answer.on('error', () => outgoing.destroy())
    outgoing.on('close', () => answer.destroy())
    return answer.pipe(outgoing)
  })
}
