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
  const reader = response.body.getReader()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) return controller.enqueue(value)
        end()
        controller.close()
      } catch (error) {
        end()
        controller.error(error)
      }
    },
    cancel(reason) {
      end()
      return reader.cancel(reason)
    },
  })
  const { status, headers } = response
  return new Response(body, { status, headers })
}
