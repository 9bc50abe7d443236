import { passOn } from '../../server/http/pass-on.ts'

/**
 * The same answer, whose body is shown as it passes and whose end, however it comes, is told once.
 * Nothing is held back and nothing is buffered: a chunk is asked for when the client asks for one.
 */
export function watchBody(
  response: Response,
  sawChunk: (chunk: Uint8Array) => void,
  ended: () => void,
): Response {
  const { body } = response
  let over = false
  const end = () => {
    if (!over) ended()
    over = true
  }
  if (body === null) {
    end()
    return response
  }
  const source = passOn(body, { onChunk: sawChunk, onEnd: end })
  const watched = new ReadableStream(source, { highWaterMark: 0 })
  const { status, statusText, headers } = response
  return new Response(watched, { status, statusText, headers })
}
