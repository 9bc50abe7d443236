import { isLongPoll } from '../live-batch.ts'
import { bodyOf, type HeldBody, holdBody } from './held-body.ts'

/** Bytes of an answer that are held, so that all who wait for it get it; a longer one streams to one. */
const HELD_BYTES = 64 * 1024

/** One live poll of the server, and all who wait for its answer. */
interface Place {
  readonly href: string
  readonly init: RequestInit
  readonly waiting: Set<Waiting>
  /** Ends the poll when nobody waits any more. */
  readonly deserted: AbortController
}

interface Waiting {
  readonly signal: AbortSignal | null
  resolve(answer: Response | Promise<Response>): void
  reject(error: unknown): void
  leave(): void
}

/**
 * Wraps a `fetch` for asking Electric: live polls of the same place of a shape become one. A thousand
 * browsers with the same thread open then wait on one connection to the engine, not on a thousand.
 *
 * Polls are the same when their whole URL is, so table, columns, condition, parameters, handle, offset
 * and cursor. Who asks is not in it: that they may must have been decided before. One that leaves
 * does not disturb the others; the poll ends when the last one leaves.
 *
 * @param send asks the server, and keeps to the signal it is given.
 */
export function shareLiveRequests(send: typeof fetch): typeof fetch {
  const places = new Map<string, Place>()

  function close(place: Place): void {
    if (places.get(place.href) === place) places.delete(place.href)
  }

  function open(href: string, init: RequestInit): Place {
    const place = { href, init, waiting: new Set<Waiting>(), deserted: new AbortController() }
    places.set(href, place)
    void send(href, { ...init, signal: place.deserted.signal })
      .finally(() => close(place))
      .then((answer) => give(answer, place, send))
      .catch((error) => {
        for (const { reject } of place.waiting) reject(error)
      })
    return place
  }

  function join(place: Place, signal: AbortSignal | null): Promise<Response> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        place.waiting.delete(one)
        reject(signal?.reason)
        if (place.waiting.size > 0) return
        close(place)
        place.deserted.abort(signal?.reason)
      }
      const one = { signal, resolve, reject, leave }
      place.waiting.add(one)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  return async (input, init = {}) => {
    const href = String(input)
    if (!isShared(href, init)) return send(href, init)
    const { signal = null, ...rest } = init
    signal?.throwIfAborted()
    return join(places.get(href) ?? open(href, rest), signal)
  }
}

/** What the answer to an ETag is depends on it. */
function isShared(href: string, { method = 'GET', headers }: RequestInit): boolean {
  return method === 'GET' && isLongPoll(href) && !new Headers(headers).has('if-none-match')
}

/** Gives all the same answer, if it is short. A longer one streams to the first; the others ask alone. */
async function give(
  answer: Response,
  { href, init, waiting }: Place,
  send: typeof fetch,
): Promise<void> {
  const held = waiting.size > 1 ? await holdBody(answer.body, HELD_BYTES) : undefined
  const [first, ...others] = waiting
  for (const one of others) {
    waiting.delete(one)
    one.signal?.removeEventListener('abort', one.leave)
    one.resolve(
      held?.rest === null ? copyOf(answer, held) : send(href, { ...init, signal: one.signal }),
    )
  }
  // This one goes on waiting, for the body: by leaving it still ends the poll.
  first?.resolve(held === undefined ? answer : copyOf(answer, held))
}

function copyOf({ status, headers }: Response, held: HeldBody): Response {
  return new Response(bodyOf(held), { status, headers })
}
