import { encodeFrame, FRAME_TYPE, joinBytes } from '../frames.ts'

const BUFFERED_BYTES = 64 * 1024
const HEARTBEAT_MS = 15_000

/** A response body made of frames. */
export interface FrameStream {
  readonly body: ReadableStream<Uint8Array>
  /** Aborted once the client stops reading. */
  readonly signal: AbortSignal
  /** Queues frames; resolves when the client has read enough for more. */
  send(...frames: Uint8Array[]): Promise<void>
  /** Ends the body after the frames sent so far. */
  close(): void
}

/**
 * Creates a response body of frames with heartbeats and back-pressure. Frames sent in one turn of
 * the event loop leave as one chunk.
 *
 * @param client aborted when the client disconnects
 */
export function createFrameStream(client: AbortSignal): FrameStream {
  const ended = new AbortController()
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let unsent: Uint8Array[] = []
  let waiting: (() => void)[] = []

  const flush = () => {
    if (unsent.length > 0) controller?.enqueue(joinBytes(unsent))
    unsent = []
  }
  const resumeSenders = () => {
    const due = waiting
    waiting = []
    for (const resume of due) resume()
  }
  const end = () => {
    clearInterval(heartbeat)
    client.removeEventListener('abort', cancel)
    controller = undefined
    ended.abort()
    resumeSenders()
  }
  function cancel(): void {
    // Not with an error, which servers such as Hono's print: a client that disconnects is none.
    controller?.close()
    end()
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start: (started) => {
        controller = started
      },
      pull: resumeSenders,
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
  )
  const heartbeat = setInterval(() => {
    if ((controller?.desiredSize ?? 0) > 0) controller?.enqueue(encodeFrame(FRAME_TYPE.ping))
  }, HEARTBEAT_MS)
  if (client.aborted) cancel()
  else client.addEventListener('abort', cancel)

  return {
    body,
    signal: ended.signal,
    async send(...frames) {
      if (controller === undefined) return
      if (unsent.length === 0) queueMicrotask(flush)
      unsent.push(...frames)
      if ((controller.desiredSize ?? 0) > 0) return
      await new Promise<void>((resolve) => waiting.push(resolve))
    },
    close() {
      flush()
      controller?.close()
      end()
    },
  }
}
