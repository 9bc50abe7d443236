import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ProtocolRequest } from '../protocol/requests.ts'
import type { ProtocolAnswer } from '../protocol/responses.ts'

/** A listening HTTP server. */
export interface HttpListener {
  readonly url: string
  close(): Promise<void>
}

type Handler = (request: ProtocolRequest) => Promise<ProtocolAnswer>

/**
 * Serves the protocol over HTTP. A client that disconnects aborts its request's signal.
 *
 * @param options.port 0, the default, for any free port
 * @throws when the port is taken
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
  return {
    url: `http://${name}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
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
  const { status, headers, body } = await handler(protocolRequest(incoming, gone.signal))
  if (gone.signal.aborted) {
    if (body instanceof ReadableStream) await body.cancel()
    return
  }
  outgoing.statusCode = status
  // The engine omits this header too; HTTP/1.1 connections stay open by default.
  outgoing.removeHeader('connection')
  for (const [name, value] of headers) outgoing.setHeader(name, value)
  if (body === null || incoming.method === 'HEAD') {
    outgoing.end()
  } else if (body instanceof ReadableStream) {
    outgoing.flushHeaders()
    const events = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
    await pipeline(events, outgoing).catch(() => outgoing.destroy())
  } else {
    // The engine sends chunks unless it gives the length; Node would add the length by itself.
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
