import { HttpResponse } from 'msw'

/** What the next request of a shape is answered with instead of rows. */
export type Interruption =
  | { readonly status: 401 }
  | { readonly status: 503; readonly retryAfterSeconds: number }

/** One request that has not been answered yet. */
export interface OpenRequest {
  readonly shape: string
  /** What it is answered with instead, when it was the next one. */
  readonly interruption: Interruption | undefined
  /** Aborted when the client has gone, and when a long poll is to end early, as if by its timeout. */
  readonly signal: AbortSignal
}

/** The requests of a mock, and what happens to them. */
export interface Requests {
  /**
   * Answers a request: with what `answer` gives, after the delay, unless it is cut short.
   */
  run(request: Request, answer: (open: OpenRequest) => Promise<Response>): Promise<Response>
  /** Every answer takes so much longer, in ms. */
  delay(ms: number): void
  /** The first page of every shape takes so much longer, in ms. */
  slowFirstPage(ms: number): void
  /** Interrupts the next request of a shape (of any when undefined), ending the polls that wait. */
  interrupt(shape: string | undefined, interruption: Interruption): void
  /** Answers all open requests at once with what `cut` makes. */
  cutAll(cut: () => Response): void
  /** Breaks all open requests, and every further one while `isDown`. */
  setConnection(isDown: boolean): void
  /** Ends all delays and interruptions. */
  reset(): void
}

interface Flight {
  readonly shape: string
  endPoll(): void
  cut(response: Response): void
}

/** Creates an empty set of requests, without delays. */
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
    reset() {
      isDown = false
      pending = []
      delayMs = 0
      firstPageMs = 0
    },
  }
}

/**
 * Waits, without keeping a process alive. Ends early, and quietly, when the signal is aborted.
 *
 * @param ms 0 waits for nothing and sets no timer
 */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer: ReturnType<typeof setTimeout> | number = setTimeout(done, ms)
    // In a browser a timer is a number, and there it keeps nothing alive.
    if (typeof timer === 'object') timer.unref()
    signal.addEventListener('abort', done)
  })
}
