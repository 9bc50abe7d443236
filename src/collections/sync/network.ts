/** Knows whether requests of this page get through, so that streams and writes retry together. */
export interface Network {
  /**
   * Repeats a request until it is answered, whatever the status, pausing after each failure. A pause
   * ends early when the browser reports that it is online, or when another request gets through.
   *
   * @param onFailure called after each failure, before the pause
   * @throws the last failure, once `signal` is aborted
   */
  untilAnswered(
    send: () => Promise<Response>,
    signal: AbortSignal | null | undefined,
    onFailure?: () => void,
  ): Promise<Response>
  /** Notes that a request outside `untilAnswered` got through. */
  answered(): void
}

/** The browser globals used here; absent in other runtimes. */
interface Page {
  readonly navigator?: { readonly onLine?: boolean }
  readonly addEventListener?: (type: 'online', listener: () => void) => void
  readonly removeEventListener?: (type: 'online', listener: () => void) => void
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 32_000
/** The pause while the browser reports no network, in ms. It may be wrong, and a try is cheap. */
const OFFLINE_PAUSE_MS = 5_000

/**
 * Creates the network state of one page.
 *
 * Electric's client would pause up to 32 seconds by itself and would not notice that the network is
 * back, so failed requests are retried here and never reach it.
 *
 * @param onBack called when a request gets through that had failed before
 */
export function createNetwork(onBack: () => void = () => {}): Network {
  const pausing = new Set<() => void>()

  function answered(): void {
    for (const resume of [...pausing]) resume()
  }

  return {
    answered,
    async untilAnswered(send, signal, onFailure) {
      let failures = 0
      // Follows others once only: if just this URL fails, their answers are no reason to retry it.
      let followsOthers = true
      for (;;) {
        try {
          const response = await send()
          // A proxy in front of the server answers 5xx when it does not reach it.
          if (response.status < 500) answered()
          if (failures > 0) onBack()
          return response
        } catch (error) {
          if (signal?.aborted) throw error
          onFailure?.()
          const others = followsOthers ? pausing : undefined
          const hasFollowed = await pause(pauseAfter(failures), signal, others)
          if (signal?.aborted) throw error
          if (hasFollowed) followsOthers = false
          failures += 1
        }
      }
    },
  }
}

/** The pauses of Electric's client, with full jitter so that a recovering server is not overrun. */
function pauseAfter(failures: number): number {
  if ((globalThis as Page).navigator?.onLine === false) return OFFLINE_PAUSE_MS
  return growingPause(failures)
}

/** Returns a random pause in ms whose limit doubles with each failure. */
export function growingPause(failures: number): number {
  return Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
}

/**
 * Resolves after `ms`, or earlier when the browser is online again or `signal` is aborted.
 *
 * @param others receives a function that ends the pause, for when another request gets through
 * @returns true if that function ended it
 */
export function pause(
  ms: number,
  signal: AbortSignal | null | undefined,
  others?: Set<() => void>,
): Promise<boolean> {
  const page = globalThis as Page
  return new Promise((resolve) => {
    const timer = setTimeout(resume, ms)
    page.addEventListener?.('online', resume)
    signal?.addEventListener('abort', resume)
    others?.add(follow)

    function follow(): void {
      end(true)
    }
    function resume(): void {
      end(false)
    }
    function end(hasFollowed: boolean): void {
      clearTimeout(timer)
      page.removeEventListener?.('online', resume)
      signal?.removeEventListener('abort', resume)
      others?.delete(follow)
      resolve(hasFollowed)
    }
  })
}
