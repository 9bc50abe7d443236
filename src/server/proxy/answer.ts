import { PRINCIPAL_HEADER } from '../../live/protocol.ts'
import { cutText } from '../../schema/cut-text.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { failureResponse } from '../http/failure-response.ts'
import { describeError } from './upstream.ts'

const MUST_REFETCH = JSON.stringify([{ headers: { control: 'must-refetch' } }])
const CLIENT_GONE = 499
const UNAVAILABLE = 'The sync service is not available. Try again.'
const PROTOCOL_FIELDS = ['offset', 'handle', 'live', 'live_sse', 'log', 'cursor'] as const
const MAX_ERROR_BODY_BYTES = 16_384

/** The response to the client; `reason` goes to the log when it is not what was requested. */
export interface Answer {
  readonly response: Response
  readonly reason?: string
  /** A fault of the server for `onError`: true for the reason itself, or the exception behind it. */
  readonly fault?: unknown
}

/**
 * Turns Electric's response into the client's. A 200 is streamed through; from an error only the
 * status is kept, because its text can name tables and conditions.
 */
export async function answerFrom(
  upstream: Response,
  { live, isHead, url }: { readonly live: boolean; readonly isHead: boolean; readonly url: string },
): Promise<Answer> {
  const { status } = upstream
  if (status === 200) {
    return {
      response: new Response(upstream.body, { headers: answerHeaders(upstream.headers, live) }),
    }
  }
  if (status === 400) return answerRefusal(await readRefusal(upstream, isHead))
  await upstream.body?.cancel()
  if (status === 304) {
    return {
      response: new Response(null, { status, headers: answerHeaders(upstream.headers, live) }),
    }
  }
  if (status === 409) return { response: mustRefetch(upstream.headers) }
  const { host } = new URL(url)
  if (status === 429 || status === 503) {
    return {
      response: unavailable(503, retryAfter(upstream.headers)),
      reason: `Electric at ${host} is not ready (${status}). It is starting or overloaded; its log has the reason.`,
      fault: true,
    }
  }
  return { response: unavailable(502), reason: reasonFor(status, host), fault: true }
}

/** Creates the response when the request to Electric failed or was aborted. */
export function answerWithoutUpstream(error: unknown, url: string, client: AbortSignal): Answer {
  if (client.aborted) {
    return {
      response: new Response(null, { status: CLIENT_GONE }),
      reason: 'the client has disconnected',
    }
  }
  return {
    response: unavailable(502),
    reason: `Electric at ${new URL(url).host} cannot be reached (${describeError(error)}). Start it, or correct ELECTRIC_URL.`,
    fault: true,
  }
}

/** Answers a waiting poll as Electric does when nothing has happened, so that the client sends the next. */
export function nothingNew(url: string): Response {
  const query = new URL(url).searchParams
  const headers = answerHeaders(new Headers(), true)
  for (const name of ['handle', 'offset', 'cursor']) {
    headers.set(`electric-${name}`, query.get(name) ?? '')
  }
  headers.set('electric-up-to-date', '')
  return Response.json([{ headers: { control: 'up-to-date' } }], { headers })
}

/** Answers a live request that arrives after `close`. */
export function shuttingDown(): Response {
  return unavailable(503)
}

function mustRefetch(upstream: Headers): Response {
  const headers = answerHeaders(upstream, true)
  headers.set('content-type', 'application/json; charset=utf-8')
  headers.delete('etag')
  return new Response(MUST_REFETCH, { status: 409, headers })
}

function unavailable(status: 502 | 503, retryAfterSeconds = '1'): Response {
  const headers = { 'retry-after': retryAfterSeconds, vary: 'Cookie, Authorization' }
  return failureResponse(new SessionDbError('unavailable', UNAVAILABLE), headers, status)
}

function retryAfter(upstream: Headers): string {
  const seconds = upstream.get('retry-after') ?? ''
  return /^\d{1,4}$/.test(seconds) ? seconds : '5'
}

function reasonFor(status: number, host: string): string {
  if (status === 401 || status === 403) {
    return `Electric at ${host} refused the secret (${status}). Set ELECTRIC_SECRET to Electric's own value.`
  }
  if (status === 404) {
    return `There is no Electric at ${host} (404). ELECTRIC_URL must be its base URL, without /v1/shape.`
  }
  return `Electric at ${host} responded with status ${status}. Its log has the reason.`
}

const PASSED_ON = /^(?:content-type|etag|electric-.+)$/
const WITHHELD = /^electric-server$/

const EXPOSED = [
  'electric-cursor',
  'electric-handle',
  'electric-has-data',
  'electric-offset',
  'electric-schema',
  'electric-snapshot',
  'electric-up-to-date',
  'electric-internal-known-error',
  'etag',
  'retry-after',
  PRINCIPAL_HEADER,
].join(',')

/**
 * Keeps the protocol's headers and drops everything else of the engine's. Responses are private: one
 * user's rows must not reach another through a cache. A browser keeps them only to revalidate with
 * their ETag, and live responses not at all.
 */
function answerHeaders(upstream: Headers, live: boolean): Headers {
  const headers = new Headers()
  for (const [name, value] of upstream) {
    if (PASSED_ON.test(name) && !WITHHELD.test(name)) headers.set(name, value)
  }
  headers.set('cache-control', live ? 'private, no-store' : 'private, no-cache')
  headers.set('vary', 'Cookie, Authorization')
  headers.set('access-control-expose-headers', EXPOSED)
  headers.set('x-content-type-options', 'nosniff')
  return headers
}

/** Cause of a 400 from Electric. */
interface Refusal {
  /** True when the client's parameters caused it, false when the proxy's configuration did. */
  readonly isClientsFault: boolean
  readonly reason: string
}

function answerRefusal(refusal: Refusal): Answer {
  if (!refusal.isClientsFault) {
    return { response: unavailable(502), reason: refusal.reason, fault: true }
  }
  const message = `${refusal.reason}. Correct it, or start again with offset=-1.`
  return { response: failureResponse(new SessionDbError('invalid', message)), reason: message }
}

/**
 * Reads a 400 from Electric. Only errors about the client's own protocol parameters are passed on;
 * one about table, columns or condition is an error in the server's configuration.
 */
async function readRefusal(upstream: Response, isHead: boolean): Promise<Refusal> {
  // Without a body the cause is unknown; the client's GET for the same URL gets it.
  if (isHead) return { isClientsFault: true, reason: 'Electric refused the HEAD request' }
  const errors = parseErrors(await readStart(upstream))
  const fields = Object.keys(errors)
  const clientFields = PROTOCOL_FIELDS.filter((field) => Object.hasOwn(errors, field))
  if (clientFields.length > 0 && clientFields.length === fields.length) {
    return {
      isClientsFault: true,
      reason: clientFields.map((field) => `${field}: ${firstMessage(errors[field])}`).join('; '),
    }
  }
  if (fields.length === 1 && fields[0] === 'subset') {
    // Electric's message quotes the condition as the proxy has rewritten it.
    return {
      isClientsFault: true,
      reason: 'subset: values do not fit the columns, or order is missing',
    }
  }
  const about = fields.length > 0 ? fields.join(', ') : 'an unnamed parameter'
  const hint = fields.includes('table')
    ? 'Its database lacks the table: run `session-db migrate`, and make sure that Electric and the app use the same DATABASE_URL.'
    : 'Its log has the reason.'
  return {
    isClientsFault: false,
    reason: `Electric refused the shape (400): ${about}. ${hint}`,
  }
}

async function readStart(upstream: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of upstream.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > MAX_ERROR_BODY_BYTES) break
  }
  return text
}

function parseErrors(body: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null || !('errors' in parsed)) return {}
    return typeof parsed.errors === 'object' && parsed.errors !== null ? { ...parsed.errors } : {}
  } catch {
    return {}
  }
}

function firstMessage(messages: unknown): string {
  const first = Array.isArray(messages) ? messages[0] : messages
  return typeof first === 'string' ? cutText(first, 200) : 'is not valid'
}
