import { passOn } from '../../server/http/pass-on.ts'
import { isLongPoll } from '../protocol.ts'

/** Responses up to this size are buffered and sent to every waiting request; a longer one streams to one. */
const MAX_BUFFERED_BYTES = 64 * 1024

/** One live poll of the server, and the requests that wait for its response. */
interface SharedPoll {
  readonly href: string
  readonly init: RequestInit
  readonly waiting: Set<Waiter>
  /** Aborts the poll when the last waiting request has left. */
  readonly deserted: AbortController
}

interface Waiter {
  readonly signal: AbortSignal | null
  resolve(answer: Response | Promise<Response>): void
  reject(error: unknown): void
  leave(): void
}

/**
 * Wraps the `fetch` that requests shapes from Electric: concurrent live polls with the same URL become
 * one. A thousand browsers with the same thread open then hold one connection to the engine.
 *
 * The URL contains table, columns, condition, parameters, handle, offset and cursor, but not the
 * user: callers must authorise each request before. A request that is aborted does not affect the
 * others; the poll is aborted with its last request.
 *
 * @param send sends the request, and honours its signal
 */
export function shareLiveRequests(send: typeof fetch): typeof fetch {
  const polls = new Map<string, SharedPoll>()

  function close(poll: SharedPoll): void {
    if (polls.get(poll.href) === poll) polls.delete(poll.href)
  }

  function open(href: string, init: RequestInit): SharedPoll {
    const poll = { href, init, waiting: new Set<Waiter>(), deserted: new AbortController() }
    polls.set(href, poll)
    void send(href, { ...init, signal: poll.deserted.signal })
      .finally(() => close(poll))
      .then((answer) => distribute(answer, poll, send))
      .catch((error) => {
        for (const { reject } of poll.waiting) reject(error)
      })
    return poll
  }

  function join(poll: SharedPoll, signal: AbortSignal | null): Promise<Response> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        poll.waiting.delete(waiter)
        reject(signal?.reason)
        if (poll.waiting.size > 0) return
        close(poll)
        poll.deserted.abort(signal?.reason)
      }
      const waiter = { signal, resolve, reject, leave }
      poll.waiting.add(waiter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  return async (input, init = {}) => {
    const href = String(input)
    if (!isShareable(href, init)) return send(href, init)
    const { signal = null, ...rest } = init
    signal?.throwIfAborted()
    return join(polls.get(href) ?? open(href, rest), signal)
  }
}

/** Conditional requests aren't shared: the response depends on the caller's ETag. */
function isShareable(href: string, { method = 'GET', headers }: RequestInit): boolean {
  return method === 'GET' && isLongPoll(href) && !new Headers(headers).has('if-none-match')
}

/** Sends a short response to every waiter. A longer one streams to the first; the others poll alone. */
async function distribute(
  answer: Response,
  { href, init, waiting }: SharedPoll,
  send: typeof fetch,
): Promise<void> {
  const buffered = waiting.size > 1 ? await bufferBody(answer.body, MAX_BUFFERED_BYTES) : undefined
  const [first, ...others] = waiting
  for (const waiter of others) {
    waiting.delete(waiter)
    waiter.signal?.removeEventListener('abort', waiter.leave)
    waiter.resolve(
      buffered?.rest === null
        ? copyOf(answer, buffered)
        : send(href, { ...init, signal: waiter.signal }),
    )
  }
  // The first stays in `waiting` while its body streams, so that its abort still ends the poll.
  first?.resolve(buffered === undefined ? answer : copyOf(answer, buffered))
}

function copyOf({ status, headers }: Response, body: BufferedBody): Response {
  return new Response(streamOf(body), { status, headers })
}

/** The start of a body, and what remains to be read. */
interface BufferedBody {
  /** Null when the response has no body. */
  readonly chunks: readonly Uint8Array[] | null
  /** Null when `chunks` is the whole body. */
  readonly rest: ReadableStream<Uint8Array> | null
}

/** Reads a body to its end, or until more than `limit` bytes have arrived. */
async function bufferBody(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<BufferedBody> {
  if (body === null) return { chunks: null, rest: null }
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  for (let bytes = 0; bytes <= limit; bytes += chunks.at(-1)?.byteLength ?? 0) {
    const { done, value } = await reader.read()
    if (done) return { chunks, rest: null }
    chunks.push(value)
  }
  reader.releaseLock()
  return { chunks, rest: body }
}

/** Returns the whole body as a stream; any number of times when `rest` is null. */
function streamOf({ chunks, rest }: BufferedBody): ReadableStream<Uint8Array> | null {
  if (chunks === null) return null
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      if (rest === null) controller.close()
    },
    ...(rest === null ? {} : passOn(rest, { onEnd: () => {} })),
  })
}
