/**
 * Creates the source of a stream that forwards a body chunk by chunk and reports its end.
 *
 * @param options.onEnd called at least once when the body was read, failed, or was cancelled
 * @example
 * new Response(new ReadableStream(passOn(body, { onEnd: release })))
 */
export function passOn(
  body: ReadableStream<Uint8Array>,
  {
    onChunk = () => {},
    onEnd,
  }: { readonly onChunk?: (chunk: Uint8Array) => void; readonly onEnd: () => void },
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
        controller.error(error)
      }
    },
    cancel(reason) {
      onEnd()
      return reader.cancel(reason)
    },
  }
}
