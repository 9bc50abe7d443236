import { encodeFrame, frameType, joinBytes } from '../live-frames.ts'

const BUFFERED_BYTES = 64 * 1024
const PING_MS = 15_000

/** A body made of frames. */
export interface FrameStream {
  readonly body: ReadableStream<Uint8Array>
  /** Aborted once the client reads no more. */
  readonly signal: AbortSignal
  /** Adds frames; resolves when the client has read enough for more. */
  send(...frames: Uint8Array[]): Promise<void>
  /** Ends the body after what has been sent. */
  close(): void
}

/**
 * Creates a body of frames. Frames of one turn of the event loop leave in one piece, a quiet
 * connection is kept alive by pings, and a client that reads slowly slows the senders down.
 *
 * @param client aborted when the client has gone, where the server notices by itself.
 */
export function createFrameStream(client: AbortSignal): FrameStream {
  const over = new AbortController()
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let unsent: Uint8Array[] = []
  let waiting: (() => void)[] = []

  const flush = () => {
    if (unsent.length > 0) controller?.enqueue(joinBytes(unsent))
    unsent = []
  }
  const letOn = () => {
    const due = waiting
    waiting = []
    for (const resume of due) resume()
  }
  const end = () => {
    clearInterval(pinging)
    client.removeEventListener('abort', cancel)
    controller = undefined
    over.abort()
    letOn()
  }
  function cancel(): void {
    controller?.error(new DOMException('The client has gone.', 'AbortError'))
    end()
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start: (started) => {
        controller = started
      },
      pull: letOn,
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
  )
  const pinging = setInterval(() => {
    if ((controller?.desiredSize ?? 0) > 0) controller?.enqueue(encodeFrame(frameType.ping))
  }, PING_MS)
  if (client.aborted) cancel()
  else client.addEventListener('abort', cancel)

  return {
    body,
    signal: over.signal,
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
