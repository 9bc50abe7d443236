import { isEventStream, isLongPoll } from '../../live/protocol.ts'

/** A `fetch` whose waiting live requests can be ended. */
export interface EndableFetch {
  (href: string, init: RequestInit): Promise<Response>
  /** Aborts live requests that wait for a response, and all later ones. Started responses are finished. */
  end(): void
  /** Aborted by `end`. */
  readonly ended: AbortSignal
}

/**
 * Wraps the `fetch` that requests shapes from Electric, for a shutdown.
 *
 * Each waiting request has its own controller: a signal made with `AbortSignal.any` from one that lives
 * as long as the process would be kept by it.
 */
export function createEndableFetch(send: typeof fetch): EndableFetch {
  const waiting = new Set<AbortController>()
  const ended = new AbortController()

  async function sendLive(href: string, init: RequestInit): Promise<Response> {
    ended.signal.throwIfAborted()
    const aborter = new AbortController()
    const { signal } = init
    signal?.throwIfAborted()
    signal?.addEventListener('abort', () => aborter.abort(signal.reason), { once: true })
    waiting.add(aborter)
    try {
      return await send(href, { ...init, signal: aborter.signal })
    } finally {
      waiting.delete(aborter)
    }
  }

  return Object.assign(
    (href: string, init: RequestInit) =>
      isLongPoll(href) || isEventStream(href) ? sendLive(href, init) : send(href, init),
    {
      ended: ended.signal,
      end() {
        ended.abort()
        for (const aborter of waiting) aborter.abort()
      },
    },
  )
}
