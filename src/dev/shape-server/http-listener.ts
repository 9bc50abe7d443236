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
 * @param options.allowOrigin decides which web pages may send requests; default: loopback origins
 * @param options.checksHost refuses host names that are not loopback ones, as those of DNS rebinding;
 *   default: true when `host` is a loopback address
 * @throws when the port is taken
 */
export async function listen(
  handler: Handler,
  options: {
    port?: number
    host?: string
    allowOrigin?: ((origin: string) => boolean) | undefined
    checksHost?: boolean | undefined
  } = {},
): Promise<HttpListener> {
  const { port = 0, host = '127.0.0.1', allowOrigin = isLoopbackOrigin } = options
  // A server that listens on other interfaces has other names.
  const checksHost = options.checksHost ?? isLoopback(host)
  const server = createServer((incoming, outgoing) => {
    const { origin, host: name = 'localhost' } = incoming.headers
    const isAllowed =
      (origin === undefined || allowOrigin(origin)) &&
      (!checksHost || isLoopbackOrigin(`http://${name}`))
    if (!isAllowed) return refuse(outgoing)
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

/** Refuses a website, in a way that its script cannot read. */
function refuse(outgoing: ServerResponse): void {
  const message =
    'The development shape server only serves loopback origins and host names, such as http://localhost:3000. ' +
    'Open the app under one of them, or read shapes through its proxy.'
  outgoing.writeHead(403, { 'content-type': 'application/json; charset=utf-8' })
  outgoing.end(JSON.stringify({ message }))
}

function isLoopbackOrigin(origin: string): boolean {
  return URL.canParse(origin) && isLoopback(new URL(origin).hostname)
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(hostname)
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
