import { formatOffset, type LogOffset, type RequestedOffset } from './offset.ts'
import type { LogPage } from './shape-log.ts'
import type { FieldErrors } from './source.ts'

/**
 * A response as plain data. Node's server writes it directly: building a fetch `Response` only to take it
 * apart again would cost more than the rest of the answer.
 */
export interface ProtocolAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: AnswerBody
}

/** A stream for SSE, where the answer continues until the client disconnects. */
export type AnswerBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null

/** Converts an answer into a fetch `Response`. */
export function toResponse({ status, headers, body }: ProtocolAnswer): Response {
  // `Response` adds a content type to a string body that has none.
  const isUntyped = typeof body === 'string' && !headers.has('content-type')
  const sent = isUntyped ? new TextEncoder().encode(body) : body
  return new Response(sent, { status, headers: Object.fromEntries(headers) })
}

const JSON_TYPE = 'application/json; charset=utf-8'
const SHAPE_METHODS = 'GET, POST, HEAD, DELETE, OPTIONS'
const EXPOSED_HEADERS =
  'electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,electric-up-to-date,electric-internal-known-error,retry-after'
const PLUG_DEFAULT_CACHE = 'max-age=0, private, must-revalidate'
const SERVER = 'ElectricSQL/1.7.12'
const MUST_REFETCH = '[{"headers":{"control":"must-refetch"}}]'

type AnswerHeaders = Map<string, string>

/** The request data that every answer needs. */
export interface AnswerContext {
  readonly method: string
  readonly origin: string | null
  readonly cacheAges?: CacheAges
}

/** Cache times of pages, in seconds. */
export interface CacheAges {
  readonly max: number
  /** A cache can serve a page this long after `max` while it revalidates. */
  readonly stale: number
}

/** The facts that the headers of a 200 are made of. */
export interface ShapeAnswer {
  readonly handle: string
  readonly requested: RequestedOffset
  readonly end: LogOffset
  readonly upToDate: boolean
  readonly live: boolean
  /** Live answers only. */
  readonly cursor?: string
  /** Non-live answers only. */
  readonly schema?: string
  /** Makes the etag of an answer without changes unique, so that no cache shares it. */
  readonly monotonic?: string
  readonly sse?: boolean
}

/** Returns a 200 with messages. */
export function messagesResponse(
  context: AnswerContext,
  answer: ShapeAnswer,
  messages: readonly string[],
): ProtocolAnswer {
  const headers = shapeHeaders(context, answer)
  const body = context.method === 'HEAD' ? null : `[${messages.join('\n,')}]`
  return { status: 200, headers, body }
}

/** Returns a 200 with a page that is not the last one of the log. */
export function pageResponse(
  context: AnswerContext,
  answer: ShapeAnswer,
  page: LogPage,
): ProtocolAnswer {
  if (!page.body) return messagesResponse(context, answer, page.messages)
  const body = context.method === 'HEAD' ? null : page.body
  return { status: 200, headers: shapeHeaders(context, answer), body }
}

/** Returns the headers of a 200 with messages. */
export function shapeHeaders(context: AnswerContext, answer: ShapeAnswer): AnswerHeaders {
  const headers = baseHeaders(context, answer.sse ? 'text/event-stream' : JSON_TYPE)
  headers.set('cache-control', cacheControl(context, answer))
  headers.set('etag', etag(answer))
  headers.set('electric-handle', answer.handle)
  headers.set('electric-offset', formatOffset(answer.end))
  headers.set('electric-has-data', String(answer.monotonic === undefined))
  if (answer.schema !== undefined) headers.set('electric-schema', asciiJson(answer.schema))
  if (answer.cursor !== undefined) headers.set('electric-cursor', answer.cursor)
  if (answer.upToDate) headers.set('electric-up-to-date', '')
  return headers
}

function etag(answer: ShapeAnswer): string {
  const tail = answer.monotonic === undefined ? '' : `:${answer.monotonic}`
  const { handle, requested, end } = answer
  return `"${handle}:${formatOffset(requested)}:${formatOffset(end)}${tail}"`
}

/** Returns a 304 when an `if-none-match` header names the etag of an answer. */
export function notModifiedResponse(
  context: AnswerContext,
  answer: ShapeAnswer,
  ifNoneMatch: string | null,
): ProtocolAnswer | undefined {
  const bare = (text: string) => text.trim().replaceAll('"', '')
  const tag = bare(etag(answer))
  if (!ifNoneMatch?.split(',').some((entry) => bare(entry) === tag)) return undefined
  const headers = shapeHeaders(context, answer)
  headers.delete('electric-schema')
  return { status: 304, headers, body: null }
}

/** Returns a 200 with the rows of a subset: never cached, no etag. */
export function subsetResponse(
  context: AnswerContext,
  answer: { handle: string; end: LogOffset; schema: string | undefined },
  body: string,
): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE)
  headers.set('cache-control', 'no-cache')
  headers.set('electric-handle', answer.handle)
  headers.set('electric-offset', formatOffset(answer.end))
  headers.set('electric-snapshot', 'true')
  if (answer.schema !== undefined) headers.set('electric-schema', asciiJson(answer.schema))
  return { status: 200, headers, body: context.method === 'HEAD' ? null : body }
}

/** Returns a 409: the client starts over, with the new handle if there is one. */
export function refetchResponse(context: AnswerContext, handle?: string): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE)
  const age = handle === undefined ? 1 : 60
  headers.set(
    'cache-control',
    isCacheable(context) ? `public, max-age=${age}, must-revalidate` : 'no-cache',
  )
  if (handle !== undefined) {
    headers.set('etag', `"${handle}::"`)
    headers.set('electric-handle', handle)
  }
  return { status: 409, headers, body: MUST_REFETCH }
}

/** Returns a 400 with errors by parameter. */
export function invalidResponse(context: AnswerContext, errors: FieldErrors): ProtocolAnswer {
  return errorResponse(context, 400, { message: 'Invalid request', errors })
}

/** Returns an error with a message. */
export function errorResponse(
  context: AnswerContext,
  status: number,
  body: Record<string, unknown>,
  retryAfterSeconds?: number,
): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE)
  headers.set('cache-control', isCacheable(context) ? 'no-store' : 'no-cache')
  if (isCacheable(context)) headers.set('surrogate-control', 'no-store')
  if (retryAfterSeconds !== undefined) {
    headers.set('retry-after', String(retryAfterSeconds))
    headers.set('electric-internal-known-error', 'true')
  }
  return sized(JSON.stringify(body), status, headers)
}

/** Returns a 400 for a body that is not a JSON object. */
export function badBodyResponse(
  context: AnswerContext,
  body: Record<string, string>,
): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE)
  headers.set('cache-control', PLUG_DEFAULT_CACHE)
  return sized(JSON.stringify(body), 400, headers)
}

/** Returns a 202 for a deleted shape. */
export function deletedResponse(context: AnswerContext): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE)
  headers.set('cache-control', 'no-cache')
  headers.set('electric-has-data', 'true')
  return sized('', 202, headers)
}

/** Returns a 401, without CORS headers like the engine's. */
export function unauthorizedResponse(): ProtocolAnswer {
  const headers = new Map([
    ['cache-control', PLUG_DEFAULT_CACHE],
    ['vary', 'accept-encoding'],
    ['electric-server', SERVER],
  ])
  return sized('{"message":"Unauthorized - Invalid API secret"}', 401, headers)
}

/** Returns the answer to a CORS preflight. */
export function preflightResponse(
  context: AnswerContext,
  requestedHeaders: string | null,
): ProtocolAnswer {
  const headers = baseHeaders(context, '')
  headers.delete('vary')
  headers.set('access-control-max-age', '86400')
  headers.set('connection', 'keep-alive')
  // The engine allows only this header, and only when it is the only one asked for.
  if (requestedHeaders === 'if-none-match') {
    headers.set('access-control-allow-headers', requestedHeaders)
  }
  return { status: 204, headers, body: null }
}

/** Returns plain text outside the shape API: the root path and unknown paths. */
export function plainResponse(
  context: AnswerContext,
  status: number,
  text: string,
): ProtocolAnswer {
  const headers = baseHeaders(context, '', 'GET, HEAD')
  headers.set('cache-control', PLUG_DEFAULT_CACHE)
  return sized(text, status, headers)
}

/** Answers `GET /v1/health`: 200 while shapes are served, 202 before. */
export function healthResponse(context: AnswerContext, status: string): ProtocolAnswer {
  const headers = baseHeaders(context, JSON_TYPE, 'GET, HEAD')
  headers.set('cache-control', 'no-cache, no-store, must-revalidate')
  return sized(JSON.stringify({ status }), status === 'active' ? 200 : 202, headers)
}

function baseHeaders(
  context: AnswerContext,
  contentType: string,
  methods = SHAPE_METHODS,
): AnswerHeaders {
  const headers = new Map([
    ['access-control-allow-origin', context.origin ?? '*'],
    ['access-control-expose-headers', EXPOSED_HEADERS],
    ['access-control-allow-methods', methods],
    ['electric-server', SERVER],
    ['vary', 'accept-encoding'],
  ])
  if (contentType !== '') headers.set('content-type', contentType)
  return headers
}

/** Adds the content length, which the engine sends for errors only. */
function sized(body: string, status: number, headers: AnswerHeaders): ProtocolAnswer {
  headers.set('content-length', String(new TextEncoder().encode(body).length))
  return { status, headers, body }
}

function isCacheable({ method }: AnswerContext): boolean {
  return method === 'GET' || method === 'HEAD'
}

function cacheControl(context: AnswerContext, answer: ShapeAnswer): string {
  if (!isCacheable(context)) return 'no-cache'
  if (answer.requested === 'before-all') {
    return 'public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746'
  }
  if (answer.sse) return 'public, max-age=59'
  const { max, stale } = context.cacheAges ?? { max: 60, stale: 300 }
  return answer.live
    ? 'public, max-age=5, stale-while-revalidate=5'
    : `public, max-age=${max}, stale-while-revalidate=${stale}`
}

/** Escapes non-ASCII characters: header values are bytes, but column names may contain any letter. */
function asciiJson(text: string): string {
  return text.replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const CURSOR_EPOCH = Date.UTC(2024, 9, 9)

/**
 * Returns the `electric-cursor` of a live answer: the end of the current polling interval in seconds, so
 * that clients polling at the same time share one URL. It never repeats the cursor that the client sent.
 */
export function nextCursor(longPollMs: number, previous: string | undefined, now: number): string {
  const interval = Math.floor(longPollMs / 1000)
  if (interval === 0) return '0'
  const seconds = (now - CURSOR_EPOCH) / 1000
  const next = Math.ceil(seconds / interval) * interval
  const repeats = String(next) === previous
  return String(repeats ? next + 1 + Math.floor(Math.random() * 3600) : next)
}
