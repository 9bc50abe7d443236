import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ProtocolAnswer, ProtocolRequest } from '../protocol/http-message.ts'

/** A listening HTTP server. */
export interface HttpListener {
  readonly url: string
  close(): Promise<void>
}

type Handler = (request: ProtocolRequest) => Promise<ProtocolAnswer>

/**
 * Serves the protocol over HTTP. A client that goes away aborts its request's signal.
 *
 * @param options.port - 0, the default, for any free one.
 * @throws when the port is taken.
 * @example
 * const { url, close } = await listen(answer, { port: 3000 })
 */
export async function listen(
  handler: Handler,
  { port = 0, host = '127.0.0.1' }: { port?: number; host?: string } = {},
): Promise<HttpListener> {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy())
  })
  server.keepAliveTimeout = 65_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return { url: `http://${name}:${address.port}`, close: () => closeServer(server) }
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const { status, headers, body, sent } = await handler(protocolRequest(incoming, gone.signal))
  if (gone.signal.aborted) {
    sent?.()
    if (body instanceof ReadableStream) await body.cancel()
    return
  }
  if (sent) outgoing.on('close', sent)
  outgoing.statusCode = status
  // The engine leaves the connection to HTTP's default, which keeps it open.
  outgoing.removeHeader('connection')
  for (const [name, value] of headers) outgoing.setHeader(name, value)
  if (body === null || incoming.method === 'HEAD') {
    outgoing.end()
  } else if (body instanceof ReadableStream) {
    outgoing.flushHeaders()
    const events = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
    await pipeline(events, outgoing).catch(() => outgoing.destroy())
  } else {
    // Chunked unless it says its length, as the engine answers: Node would add the length by itself.
    if (!headers.has('content-length')) outgoing.setHeader('transfer-encoding', 'chunked')
    outgoing.end(body)
  }
}

function protocolRequest(incoming: IncomingMessage, signal: AbortSignal): ProtocolRequest {
  const { method = 'GET', headers } = incoming
  return {
    method,
    url: `http://${headers.host ?? 'localhost'}${incoming.url ?? '/'}`,
    signal,
    headers: {
      get(name) {
        const value = headers[name]
        return Array.isArray(value) ? value.join(', ') : (value ?? null)
      },
    },
    async text() {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
