import { passOn } from './pass-on.ts'

/**
 * The same answer, whose end is heard of once: when its body has been read, has failed or was
 * cancelled, or when the client has gone.
 */
export function watchEnd(response: Response, client: AbortSignal, onEnd: () => void): Response {
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    client.removeEventListener('abort', end)
    onEnd()
  }
  if (response.body === null || client.aborted) {
    end()
    return response
  }
  client.addEventListener('abort', end)
  const body = new ReadableStream(passOn(response.body, { onEnd: end }))
  const { status, headers } = response
  return new Response(body, { status, headers })
}
