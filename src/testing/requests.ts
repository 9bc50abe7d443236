import { HttpResponse } from 'msw'
import { AUDIENCES_NAME } from '../shapes/shape-url.ts'

/** The response to the next request of a shape instead of rows. */
export type Interruption =
  | { readonly status: 401 }
  | { readonly status: 503; readonly retryAfterSeconds: number }

/** A request without a response yet. */
export interface OpenRequest {
  readonly shape: string
  /** The interruption it is answered with, if any. */
  readonly interruption: Interruption | undefined
  /** Aborted when the client disconnects, or to end a long poll early as if it had timed out. */
  readonly signal: AbortSignal
}

/** The open requests of a mock, and the faults to simulate. */
export interface Requests {
  /** Responds with the result of `answer` after the delay, unless the request is cut short. */
  run(request: Request, answer: (open: OpenRequest) => Promise<Response>): Promise<Response>
  /** Delays every response, in ms. */
  delay(ms: number): void
  /** Delays the first page of every shape, in ms. */
  slowFirstPage(ms: number): void
  /** Interrupts the next request of a shape (any shape if undefined) and ends waiting polls. */
  interrupt(shape: string | undefined, interruption: Interruption): void
  /** Responds to all open requests immediately with the result of `cut`. */
  cutAll(cut: () => Response): void
  /** Fails all open requests, and later ones while `isDown`, with a network error. */
  setConnection(isDown: boolean): void
  /** True while the connection is dropped. */
  isDown(): boolean
  /** Removes all delays and interruptions. */
  reset(): void
}

interface Flight {
  readonly shape: string
  endPoll(): void
  cut(response: Response): void
}

/** Creates an empty set of requests without delays. */
export function createRequests(): Requests {
  const flights = new Set<Flight>()
  let pending: { readonly shape: string | undefined; readonly interruption: Interruption }[] = []
  let delayMs = 0
  let firstPageMs = 0
  let isDown = false

  function cutAll(cut: () => Response): void {
    for (const flight of [...flights]) flight.cut(cut())
  }

  function takeInterruption(shape: string): Interruption | undefined {
    // It is no shape, though it is requested beside them.
    if (shape === AUDIENCES_NAME) return undefined
    const found = pending.find((entry) => (entry.shape ?? shape) === shape)
    pending = pending.filter((entry) => entry !== found)
    return found?.interruption
  }

  async function answerLate(
    request: Request,
    over: AbortSignal,
    answer: () => Promise<Response>,
  ): Promise<Response> {
    const isFirst = new URL(request.url).searchParams.get('offset') === '-1'
    const response = await answer()
    await pause(delayMs + (isFirst ? firstPageMs : 0), over)
    return response
  }

  return {
    run(request, answer) {
      if (isDown) return Promise.resolve(HttpResponse.error())
      const shape = new URL(request.url).pathname.split('/').at(-1) ?? ''
      const [polling, over] = [new AbortController(), new AbortController()]
      const open = { shape, interruption: takeInterruption(shape), signal: polling.signal }
      const end = () => {
        polling.abort()
        over.abort()
      }
      if (request.signal.aborted) end()
      request.signal.addEventListener('abort', end, { once: true })
      return new Promise<Response>((resolve, reject) => {
        const flight: Flight = {
          shape,
          endPoll: () => polling.abort(),
          cut(response) {
            end()
            resolve(response)
          },
        }
        flights.add(flight)
        answerLate(request, over.signal, () => answer(open))
          .then(resolve, reject)
          .finally(() => {
            flights.delete(flight)
            request.signal.removeEventListener('abort', end)
          })
      })
    },
    delay(ms) {
      delayMs = ms
    },
    slowFirstPage(ms) {
      firstPageMs = ms
    },
    interrupt(shape, interruption) {
      pending.push({ shape, interruption })
      for (const flight of flights) {
        if ((shape ?? flight.shape) === flight.shape) flight.endPoll()
      }
    },
    cutAll,
    setConnection(down) {
      isDown = down
      if (isDown) cutAll(() => HttpResponse.error())
    },
    isDown: () => isDown,
    reset() {
      isDown = false
      pending = []
      delayMs = 0
      firstPageMs = 0
    },
  }
}

/**
 * Waits without keeping the process alive. Resolves early if the signal is aborted.
 *
 * @param ms resolves immediately, without a timer, if 0
 */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer: ReturnType<typeof setTimeout> | number = setTimeout(done, ms)
    // In a browser, a timer is a number.
    if (typeof timer === 'object') timer.unref()
    signal.addEventListener('abort', done)
  })
}
