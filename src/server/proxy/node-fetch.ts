import type { Client, Dispatcher } from 'undici'

/** Bytes of a body buffered for a slow reader before the connection is paused. */
const BUFFERED_BYTES = 256 * 1024
/** Shorter than servers' keep-alive timeouts, so that few requests hit a connection that was just closed. */
const KEEP_ALIVE_MS = 30_000
const BODILESS = [204, 205, 304]

/**
 * Creates a `fetch` for requesting shapes from Node: over undici's clients, with its own pool. Node's
 * `fetch` takes twice the memory for each waiting request; it and Node's `http` copy each chunk.
 *
 * It supports what shape requests use: a URL, a method, headers as a record, a text body, a signal.
 * Redirects are not followed, and bodies are not decompressed.
 */
export function createNodeFetch(): typeof fetch {
  let pool: Promise<Pool> | undefined

  return async (input, init = {}) => {
    pool ??= createPool()
    return dispatch(await pool, String(input), init)
  }
}

/** A connection to an HTTP server; carries one request at a time. */
interface Connection {
  readonly client: Client
  /** Returns an intact connection to the pool; otherwise destroy the client. */
  release(): void
}

interface Pool {
  take(origin: string): Connection
}

/**
 * Creates a pool of kept-alive connections. undici's pools search all their connections for each
 * request, and keep an object for every connection they ever had: both grow with thousands of
 * waiting requests.
 *
 * undici is imported here because it takes 30 MB, which a server that only writes does not need.
 */
async function createPool(): Promise<Pool> {
  const { buildConnector, Client } = await import('undici')
  const connect = buildConnector({ allowH2: false })
  const idleByOrigin = new Map<string, Connection[]>()

  function open(origin: string, idle: Connection[]): Connection {
    // No timeouts: the server decides how long a live request waits.
    const timeouts = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS }
    const client = new Client(origin, { connect, pipelining: 1, ...timeouts })
    const connection = { client, release: () => void idle.push(connection) }
    client.on('disconnect', () => {
      const index = idle.lastIndexOf(connection)
      if (index >= 0) idle.splice(index, 1)
    })
    return connection
  }

  return {
    take(origin) {
      const idle = idleByOrigin.get(origin) ?? []
      idleByOrigin.set(origin, idle)
      // Last in, first out: surplus connections stay idle and time out.
      return idle.pop() ?? open(origin, idle)
    },
  }
}

function dispatch({ take }: Pool, href: string, init: RequestInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { signal } = init
    signal?.throwIfAborted()
    const { origin, pathname, search } = new URL(href)
    const connection = take(origin)
    const abort = () => void connection.client.destroy(abortError(signal))
    signal?.addEventListener('abort', abort, { once: true })
    const ended = () => signal?.removeEventListener('abort', abort)
    connection.client.dispatch(
      {
        path: `${pathname}${search}`,
        method: init.method ?? 'GET',
        headers: (init.headers ?? {}) as Record<string, string>,
        body: (init.body ?? null) as string | null,
      },
      responseHandler(connection, { resolve, reject, ended }),
    )
  })
}

interface Callbacks {
  resolve(response: Response): void
  reject(error: Error): void
  ended(): void
}

/** Builds a `Response` from undici's events, without copying the body's chunks. */
function responseHandler(
  { client, release }: Connection,
  { resolve, reject, ended }: Callbacks,
): Dispatcher.DispatchHandler {
  let body: ReadableStreamDefaultController<Uint8Array> | undefined
  let isComplete = false

  function streamBody(controller: Dispatcher.DispatchController): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (opened) => {
          body = opened
        },
        pull: () => controller.resume(),
        cancel() {
          body = undefined
          // A complete response's connection may already carry another request.
          if (!isComplete) void client.destroy()
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
    )
  }

  return {
    onRequestStart() {},
    onResponseStart(controller, status, distinct) {
      if (status < 200) return
      const headers = new Headers()
      for (const [name, values] of Object.entries(distinct)) {
        for (const value of [values ?? []].flat()) headers.append(name, value)
      }
      const stream = BODILESS.includes(status) ? null : streamBody(controller)
      resolve(new Response(stream, { status, headers }))
    },
    onResponseData(controller, chunk) {
      body?.enqueue(chunk)
      if ((body?.desiredSize ?? 1) <= 0) controller.pause()
    },
    onResponseEnd() {
      isComplete = true
      ended()
      body?.close()
      release()
    },
    onResponseError(_controller, error) {
      ended()
      reject(error)
      body?.error(error)
      void client.destroy()
    },
  }
}

/** The error that `fetch` would reject with: the signal's reason, or an `AbortError`. */
function abortError(signal: AbortSignal | null | undefined): Error {
  const { reason } = signal ?? {}
  return reason instanceof Error
    ? reason
    : new DOMException('The request was aborted.', 'AbortError')
}
