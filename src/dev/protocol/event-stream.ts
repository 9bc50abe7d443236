import type { LogOffset } from './offset.ts'
import type { ShapeLog } from './shape-log.ts'

/** Messages as events. */
export function eventsOf(messages: readonly string[]): string {
  return messages.map((message) => `data: ${message}\n\n`).join('')
}

/**
 * The body of a live SSE answer: what is there, then every change as it comes. It ends after
 * `durationMs`, when the shape expires, or when the client has gone.
 *
 * @param options.keepAliveMs - a comment line is sent after so long without an event.
 * @param options.upToDate - the control message to send after the messages up to an offset.
 * @example
 * new Response(eventStream({ log, from, keepAliveMs: 21_000, durationMs: 60_000, upToDate }))
 */
export function eventStream(options: {
  log: ShapeLog
  from: LogOffset
  keepAliveMs: number
  durationMs: number
  upToDate: (end: LogOffset) => string
  signal?: AbortSignal
}): ReadableStream<Uint8Array> {
  const { log, keepAliveMs } = options
  const closed = new AbortController()
  const signal = options.signal ? AbortSignal.any([closed.signal, options.signal]) : closed.signal
  const encoder = new TextEncoder()
  const deadline = Date.now() + options.durationMs
  let offset = options.from

  async function nextEvents(): Promise<string | undefined> {
    for (;;) {
      if (log.state === 'expired') return undefined
      const page = await log.read(offset)
      offset = page.end
      if (page.messages.length > 0) {
        const events = [...page.messages]
        if (page.complete) events.push(options.upToDate(offset))
        return eventsOf(events)
      }
      const left = deadline - Date.now()
      if (left <= 0) return undefined
      const result = await log.wait(Math.min(keepAliveMs, left), signal)
      if (result === 'expired' || result === 'aborted') return undefined
      if (result === 'timeout' && Date.now() < deadline) return ': keep-alive\n\n'
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await nextEvents()
        if (text === undefined) controller.close()
        else controller.enqueue(encoder.encode(text))
      },
      cancel() {
        closed.abort()
      },
    },
    { highWaterMark: 0 },
  )
}
