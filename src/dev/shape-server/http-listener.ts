import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** A listening HTTP server. */
export interface HttpListener {
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves a fetch handler over HTTP. A client that goes away aborts its request's signal.
 *
 * @param options.port - 0, the default, for any free one.
 * @throws when the port is taken.
 * @example
 * const { url, close } = await listen(handler, { port: 3000 })
 */
export async function listen(
  handler: (request: Request) => Promise<Response>,
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
  handler: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const response = await handler(await webRequest(incoming, gone.signal))
  if (gone.signal.aborted) {
    await response.body?.cancel()
    return
  }
  outgoing.statusCode = response.status
  // The engine leaves the connection to HTTP's default, which keeps it open.
  outgoing.removeHeader('connection')
  for (const [name, value] of response.headers) outgoing.setHeader(name, value)
  if (!response.body || incoming.method === 'HEAD') {
    outgoing.end()
    return
  }
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    outgoing.flushHeaders()
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
    await pipeline(body, outgoing).catch(() => outgoing.destroy())
    return
  }
  const body = await bytesOf(response.body)
  if (outgoing.destroyed) return
  // Chunked unless it says its length, as the engine answers: Node would add the length by itself.
  if (!outgoing.hasHeader('content-length')) outgoing.setHeader('transfer-encoding', 'chunked')
  outgoing.end(body)
}

/** A whole body, not copied where it is one piece. One write costs least. */
async function bytesOf(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  const [only] = pieces
  return pieces.length === 1 && only ? only : Buffer.concat(pieces)
}

async function webRequest(incoming: IncomingMessage, signal: AbortSignal): Promise<Request> {
  const { method = 'GET' } = incoming
  const url = `http://${incoming.headers.host ?? 'localhost'}${incoming.url ?? '/'}`
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(url, {
    method,
    headers,
    signal,
    ...(hasBody ? { body: await readBody(incoming) } : {}),
  })
}

async function readBody(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
