import * as http from 'node:http'
import * as https from 'node:https'

/** Bytes of a body that may wait for a slow reader before the connection is read no further. */
const BUFFERED_BYTES = 256 * 1024
const BODILESS = [204, 205, 304]

/**
 * Creates a `fetch` for asking a server from Node: over Node's own HTTP client, with connections of
 * its own that are kept. Node's `fetch` holds twice the memory per request that waits, and takes
 * longer for a large body.
 *
 * It knows what asking for shapes needs: a URL, a method, headers as a record, a text as body, a
 * signal. Redirects are not followed, and bodies are not decoded.
 */
export function createNodeFetch(): typeof fetch {
  const options = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }
  const plain = new http.Agent(options)
  const secure = new https.Agent(options)

  return (input, init = {}) =>
    new Promise<Response>((resolve, reject) => {
      const { signal, body } = init
      const url = new URL(String(input))
      const isSecure = url.protocol === 'https:'
      const request = (isSecure ? https : http).request(url, {
        agent: isSecure ? secure : plain,
        method: init.method ?? 'GET',
        headers: (init.headers ?? {}) as Record<string, string>,
        ...(signal && { signal }),
      })
      request.on('response', (incoming) => resolve(toResponse(incoming)))
      request.on('error', reject)
      request.end(body ?? undefined)
    })
}

function toResponse(incoming: http.IncomingMessage): Response {
  const status = incoming.statusCode ?? 502
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  if (!BODILESS.includes(status)) return new Response(toBody(incoming), { status, headers })
  incoming.resume()
  return new Response(null, { status, headers })
}

/** The body as a web stream. Each piece is passed on as it came. */
function toBody(incoming: http.IncomingMessage): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        incoming.on('data', (piece: Uint8Array) => {
          controller.enqueue(piece)
          if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
        })
        incoming.on('end', () => controller.close())
        // A connection that breaks in the middle is an error here, too, after 'aborted'.
        incoming.on('error', (error) => controller.error(error))
      },
      pull: () => void incoming.resume(),
      cancel: () => void incoming.destroy(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
  )
}
