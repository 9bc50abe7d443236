import { pause } from './pause.ts'

/** What the streams and writes of one page know of their way to the server. */
export interface Network {
  /**
   * Sends a request until it is answered, whatever the answer, pausing after each failure. A pause
   * ends early when the browser says that it is online again, or another request has got through.
   *
   * @param onFailure called after each failure, before the pause
   * @throws what the last try threw, once `signal` is aborted
   */
  untilAnswered(
    send: () => Promise<Response>,
    signal: AbortSignal | null | undefined,
    onFailure?: () => void,
  ): Promise<Response>
  /** A request of another kind has got through. */
  answered(): void
}

/** The part of a page this needs; absent outside a browser. */
interface Page {
  readonly navigator?: { readonly onLine?: boolean }
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 32_000
/** Where the browser says that there is no network, in ms. It may be wrong, and a try costs nothing. */
const OFFLINE_PAUSE_MS = 5_000

/**
 * Creates the knowledge of one page.
 *
 * Electric's client would pause by itself, up to 32 seconds, and hears nothing of a network that is
 * back. So a request that does not get through is not handed back to it.
 *
 * @param onBack called when a request has got through that had failed before
 */
export function createNetwork(onBack: () => void = () => {}): Network {
  const pausing = new Set<() => void>()

  function answered(): void {
    for (const goOn of [...pausing]) goOn()
  }

  return {
    answered,
    async untilAnswered(send, signal, onFailure) {
      let failures = 0
      // Once: where one URL fails and others do not, their answers are no reason to ask it again.
      let followsOthers = true
      for (;;) {
        try {
          const response = await send()
          if (isFromServer(response)) answered()
          if (failures > 0) onBack()
          return response
        } catch (error) {
          if (signal?.aborted) throw error
          onFailure?.()
          const others = followsOthers ? pausing : undefined
          const isFollowing = await pause(pauseAfter(failures), signal, others)
          if (signal?.aborted) throw error
          if (isFollowing) followsOthers = false
          failures += 1
        }
      }
    },
  }
}

/** Whatever stands in front of the server answers 5xx for one that it does not reach. */
function isFromServer({ status }: Response): boolean {
  return status < 500
}

/** The same pauses as Electric's client makes, with full jitter: a server that is back is not run down. */
function pauseAfter(failures: number): number {
  if ((globalThis as Page).navigator?.onLine === false) return OFFLINE_PAUSE_MS
  return Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
}
