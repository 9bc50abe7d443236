/**
 * Creates the source of a stream that forwards a body chunk by chunk and reports its end.
 *
 * @param options.onEnd called at least once when the body was read, failed, or was cancelled
 * @param options.client aborted when the client disconnects: an error that follows ends the stream, because
 * servers print errors of bodies
 * @example
 * new Response(new ReadableStream(passOn(body, { onEnd: release })))
 */
export function passOn(
  body: ReadableStream<Uint8Array>,
  {
    onChunk = () => {},
    onEnd,
    client,
  }: {
    readonly onChunk?: (chunk: Uint8Array) => void
    readonly onEnd: () => void
    readonly client?: AbortSignal
  },
): UnderlyingDefaultSource<Uint8Array> {
  const reader = body.getReader()
  return {
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (value !== undefined) onChunk(value)
        if (!done) return controller.enqueue(value)
        onEnd()
        controller.close()
      } catch (error) {
        onEnd()
        if (client?.aborted) controller.close()
        else controller.error(error)
      }
    },
    cancel(reason) {
      onEnd()
      return reader.cancel(reason)
    },
  }
}
