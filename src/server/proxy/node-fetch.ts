import type { Dispatcher } from 'undici'
import { type Connection, type Connections, createConnections } from './connections.ts'

/** Bytes of a body that may wait for a slow reader before the connection is read no further. */
const BUFFERED_BYTES = 256 * 1024
const BODILESS = [204, 205, 304]

/**
 * Creates a `fetch` for asking a server from Node: over undici, with connections of its own that are
 * kept. Node's `fetch` holds twice the memory per request that waits; it and Node's `http` copy each
 * piece of a body.
 *
 * It knows what asking for shapes needs: a URL, a method, headers as a record, a text as body, a
 * signal. Redirects are not followed, and bodies are not decoded.
 */
export function createNodeFetch(): typeof fetch {
  let connections: Promise<Connections> | undefined

  return async (input, init = {}) => {
    connections ??= createConnections()
    return ask(await connections, String(input), init)
  }
}

function ask({ take }: Connections, href: string, init: RequestInit): Promise<Response> {
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
      answerHandler(connection, { resolve, reject, ended }),
    )
  })
}

interface Asker {
  resolve(response: Response): void
  reject(error: Error): void
  ended(): void
}

/** Makes a response of what undici hands on: its body has each piece as it came. */
function answerHandler(
  { client, release }: Connection,
  { resolve, reject, ended }: Asker,
): Dispatcher.DispatchHandler {
  let body: ReadableStreamDefaultController<Uint8Array> | undefined
  let isOver = false

  function bodyOf(controller: Dispatcher.DispatchController): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (opened) => {
          body = opened
        },
        pull: () => controller.resume(),
        cancel() {
          body = undefined
          // Once all of it is here, the connection may carry another request already.
          if (!isOver) void client.destroy()
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
      const stream = BODILESS.includes(status) ? null : bodyOf(controller)
      resolve(new Response(stream, { status, headers }))
    },
    onResponseData(controller, piece) {
      body?.enqueue(piece)
      if ((body?.desiredSize ?? 1) <= 0) controller.pause()
    },
    onResponseEnd() {
      isOver = true
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

/** What `fetch` rejects with: the reason given, or an `AbortError`. */
function abortError(signal: AbortSignal | null | undefined): Error {
  const { reason } = signal ?? {}
  return reason instanceof Error
    ? reason
    : new DOMException('The request was aborted.', 'AbortError')
}
