import type { ProtocolAnswer } from './http-message.ts'
import { formatOffset, type LogOffset, type RequestedOffset } from './offset.ts'
import type { FieldErrors } from './source.ts'

const json = 'application/json; charset=utf-8'
const shapeMethods = 'GET, POST, HEAD, DELETE, OPTIONS'
const exposed =
  'electric-cursor,electric-handle,electric-has-data,electric-offset,electric-schema,electric-up-to-date,electric-internal-known-error,retry-after'
const plugDefault = 'max-age=0, private, must-revalidate'
const server = 'ElectricSQL/1.7.12'

/** Headers while an answer is made. */
type AnswerHeaders = Map<string, string>

const mustRefetch = '[{"headers":{"control":"must-refetch"}}]'

/** What is the same for every answer to one request. */
export interface AnswerContext {
  readonly method: string
  readonly origin: string | null
}

/** Headers of an answer about a shape; the rest follows from the request. */
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
  /** Distinguishes answers without changes, which no cache may hold for another. */
  readonly monotonic?: string
  readonly sse?: boolean
}

/**
 * Headers of a 200 with messages.
 *
 * @example
 * return { status: 200, headers: shapeHeaders(context, answer), body }
 */
export function shapeHeaders(context: AnswerContext, answer: ShapeAnswer): AnswerHeaders {
  const headers = baseHeaders(context, answer.sse ? 'text/event-stream' : json)
  headers.set('cache-control', cacheControl(context.method, answer))
  headers.set('etag', etag(answer))
  headers.set('electric-handle', answer.handle)
  headers.set('electric-offset', formatOffset(answer.end))
  headers.set('electric-has-data', String(answer.monotonic === undefined))
  if (answer.schema !== undefined) headers.set('electric-schema', asciiJson(answer.schema))
  if (answer.cursor !== undefined) headers.set('electric-cursor', answer.cursor)
  if (answer.upToDate) headers.set('electric-up-to-date', '')
  return headers
}

/** The quoted etag: handle, asked offset, reached offset. */
export function etag(answer: ShapeAnswer): string {
  const tail = answer.monotonic === undefined ? '' : `:${answer.monotonic}`
  const { handle, requested, end } = answer
  return `"${handle}:${formatOffset(requested)}:${formatOffset(end)}${tail}"`
}

/** Headers of a subset: never cached, no etag. */
export function subsetHeaders(
  context: AnswerContext,
  answer: { handle: string; end: LogOffset; schema: string | undefined },
): AnswerHeaders {
  const headers = baseHeaders(context, json)
  headers.set('cache-control', 'no-cache')
  headers.set('electric-handle', answer.handle)
  headers.set('electric-offset', formatOffset(answer.end))
  headers.set('electric-snapshot', 'true')
  if (answer.schema !== undefined) headers.set('electric-schema', asciiJson(answer.schema))
  return headers
}

/** 304: what the cache needs to go on with what it has. */
export function notModified(context: AnswerContext, answer: ShapeAnswer): ProtocolAnswer {
  const headers = shapeHeaders(context, answer)
  headers.delete('electric-schema')
  return { status: 304, headers, body: null }
}

/** 409: start over, with the new handle where there is one. */
export function refetchResponse(context: AnswerContext, handle?: string): ProtocolAnswer {
  const headers = baseHeaders(context, json)
  const age = handle === undefined ? 1 : 60
  const cached = context.method === 'GET' || context.method === 'HEAD'
  headers.set('cache-control', cached ? `public, max-age=${age}, must-revalidate` : 'no-cache')
  if (handle !== undefined) {
    headers.set('etag', `"${handle}::"`)
    headers.set('electric-handle', handle)
  }
  return { status: 409, headers, body: mustRefetch }
}

/** 400: what is wrong, parameter by parameter. */
export function invalidResponse(context: AnswerContext, errors: FieldErrors): ProtocolAnswer {
  return errorResponse(context, 400, { message: 'Invalid request', errors })
}

/** Any other error with a message for people. */
export function errorResponse(
  context: AnswerContext,
  status: number,
  body: Record<string, unknown>,
  retryAfter?: number,
): ProtocolAnswer {
  const headers = baseHeaders(context, json)
  const cached = context.method === 'GET' || context.method === 'HEAD'
  headers.set('cache-control', cached ? 'no-store' : 'no-cache')
  if (cached) headers.set('surrogate-control', 'no-store')
  if (retryAfter !== undefined) {
    headers.set('retry-after', String(retryAfter))
    headers.set('electric-internal-known-error', 'true')
  }
  return sized(JSON.stringify(body), status, headers)
}

/** 400 for a body that is no JSON object. */
export function badBodyResponse(
  context: AnswerContext,
  body: Record<string, string>,
): ProtocolAnswer {
  const headers = baseHeaders(context, json)
  headers.set('cache-control', plugDefault)
  return sized(JSON.stringify(body), 400, headers)
}

/** 202 for a deleted shape. */
export function deletedResponse(context: AnswerContext): ProtocolAnswer {
  const headers = baseHeaders(context, json)
  headers.set('cache-control', 'no-cache')
  headers.set('electric-has-data', 'true')
  return sized('', 202, headers)
}

/** 401; without CORS headers, as the engine has it. */
export function unauthorizedResponse(): ProtocolAnswer {
  const headers = new Map([
    ['cache-control', plugDefault],
    ['vary', 'accept-encoding'],
    ['electric-server', server],
  ])
  return sized('{"message":"Unauthorized - Invalid API secret"}', 401, headers)
}

/** The answer to a CORS preflight. */
export function preflightResponse(
  context: AnswerContext,
  requestedHeaders: string | null,
): ProtocolAnswer {
  const headers = baseHeaders(context, '')
  headers.delete('vary')
  headers.set('access-control-max-age', '86400')
  headers.set('connection', 'keep-alive')
  // The engine allows this one header, and only when it is asked for alone.
  if (requestedHeaders === 'if-none-match') {
    headers.set('access-control-allow-headers', requestedHeaders)
  }
  return { status: 204, headers, body: null }
}

/** Text outside the shape API: the root path and unknown ones. */
export function plainResponse(
  context: AnswerContext,
  status: number,
  text: string,
): ProtocolAnswer {
  const headers = baseHeaders(context, '', 'GET, HEAD')
  headers.set('cache-control', plugDefault)
  return sized(text, status, headers)
}

/** `GET /v1/health`: 200 when shapes are served, 202 before. */
export function healthResponse(context: AnswerContext, status: string): ProtocolAnswer {
  const headers = baseHeaders(context, json, 'GET, HEAD')
  headers.set('cache-control', 'no-cache, no-store, must-revalidate')
  return sized(JSON.stringify({ status }), status === 'active' ? 200 : 202, headers)
}

function baseHeaders(
  context: AnswerContext,
  contentType: string,
  methods = shapeMethods,
): AnswerHeaders {
  const headers = new Map([
    ['access-control-allow-origin', context.origin ?? '*'],
    ['access-control-expose-headers', exposed],
    ['access-control-allow-methods', methods],
    ['electric-server', server],
    ['vary', 'accept-encoding'],
  ])
  if (contentType !== '') headers.set('content-type', contentType)
  return headers
}

/** A body that says its length. */
function sized(body: string, status: number, headers: AnswerHeaders): ProtocolAnswer {
  headers.set('content-length', String(new TextEncoder().encode(body).length))
  return { status, headers, body }
}

function cacheControl(method: string, answer: ShapeAnswer): string {
  if (method !== 'GET' && method !== 'HEAD') return 'no-cache'
  if (answer.requested === 'before-all') {
    return 'public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746'
  }
  if (answer.sse) return 'public, max-age=59'
  return answer.live
    ? 'public, max-age=5, stale-while-revalidate=5'
    : 'public, max-age=60, stale-while-revalidate=300'
}

/** Header values are bytes; column names may hold any letter. */
function asciiJson(text: string): string {
  return text.replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
