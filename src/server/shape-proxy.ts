import type { Principal } from '../schema/principal.ts'
import type { ShapeRegistry } from '../shapes/define-shape.ts'
import { PRINCIPAL_HEADER } from '../shapes/live-batch.ts'
import { isRefusal, type ResolvedShape, resolveShape } from '../shapes/resolve-shape.ts'
import { sessionShapes } from '../shapes/session-shapes.ts'
import { SessionDbError } from '../writes/errors.ts'
import { type Authenticate, requirePrincipal } from './authenticate.ts'
import { failureResponse } from './failure-response.ts'
import { type Answer, answerFrom, unreachable } from './shape-proxy/answer.ts'
import { createLiveBatch, isLiveBatch } from './shape-proxy/live-batch.ts'
import type { ShapeLogEntry, ShapeLogger } from './shape-proxy/log-entry.ts'
import { principalDigest } from './shape-proxy/principal-digest.ts'
import { shapeNameOf, unknownShape } from './shape-proxy/request-path.ts'
import { readShapeQuery } from './shape-proxy/request-query.ts'
import { askUpstream } from './shape-proxy/upstream-fetch.ts'
import { createUpstreamUrl, type Upstream } from './shape-proxy/upstream-url.ts'

const ALLOW = 'GET, HEAD, OPTIONS'
const CLIENT_GONE = 499
const MAX_ETAG_LENGTH = 512

/** Where Electric is, who may ask, and for what. */
export interface ShapeProxyOptions extends Upstream {
  /** Says who sends a request. Nobody, or an exception, is answered with 401. */
  readonly authenticate: Authenticate
  /** The shapes on offer; by default the five of this library. */
  readonly shapes?: ShapeRegistry
  /** Replaces `fetch`, for example to use another connection pool. */
  readonly fetch?: typeof fetch
  /** Hears of every request. */
  readonly logger?: ShapeLogger
}

/** What is known of a request so far, for the log. */
interface Progress {
  shape: string | null
  principal: Principal | null
  live: boolean
  reason?: string
}

/**
 * Serves named shapes to browsers: authenticates, turns the shape's name (the last segment of the
 * path) and its parameters into table, columns and condition, and streams Electric's answer.
 * Needs no database and no state, so any number of instances serve alike. `POST _live` beside the
 * shapes answers many live requests over one connection.
 *
 * The answer is typed JSON for every refusal: 400, 401, 404, 405, or 502 and 503 with Retry-After
 * when Electric cannot answer. It never rejects.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL.
 * @example
 * const serveShape = createShapeProxy({
 *   electricUrl: process.env.ELECTRIC_URL,
 *   secret: process.env.ELECTRIC_SECRET,
 *   authenticate: (request) => principalOf(request),
 * })
 * // GET /api/shapes/thread-messages?threadId=t1&offset=-1
 * const response = await serveShape(request)
 */
export function createShapeProxy(
  options: ShapeProxyOptions,
): (request: Request) => Promise<Response> {
  const upstreamUrl = createUpstreamUrl(options)
  const shapes: ShapeRegistry = options.shapes ?? sessionShapes
  const send = options.fetch ?? fetch

  async function answer(request: Request, progress: Progress): Promise<Answer> {
    const { method } = request
    if (method === 'OPTIONS')
      return { response: new Response(null, { status: 204, headers: { allow: ALLOW } }) }
    if (method !== 'GET' && method !== 'HEAD') return { response: methodNotAllowed() }
    const principal = await requirePrincipal(options.authenticate, request, (error) => {
      progress.reason = `authenticate failed: ${describe(error)}`
    })
    progress.principal = principal
    const url = new URL(request.url)
    progress.shape = shapeNameOf(url)
    const query = readShapeQuery(url.search)
    const shape = requireShape(shapes, progress.shape, query.params, principal)
    progress.live = query.protocol.get('live') === 'true'
    const asked = {
      url: upstreamUrl(shape, query.protocol),
      method,
      ifNoneMatch: etagOf(request),
      signal: request.signal,
    } as const
    const upstream = await askUpstream(send, asked).catch((error: unknown) =>
      withoutUpstream(error, request.signal),
    )
    return upstream instanceof Response ? answerFrom(upstream, progress.live) : upstream
  }

  async function serveShape(request: Request): Promise<Response> {
    const started = performance.now()
    const progress: Progress = { shape: null, principal: null, live: false }
    const { response, reason = progress.reason } = await answer(request, progress).catch(
      answerError,
    )
    if (progress.principal !== null) {
      response.headers.set(PRINCIPAL_HEADER, await principalDigest(progress.principal))
    }
    log(options.logger, {
      method: request.method,
      shape: progress.shape,
      principal: progress.principal,
      live: progress.live,
      status: response.status,
      durationMs: performance.now() - started,
      ...(reason === undefined ? {} : { reason }),
    })
    return response
  }

  const serveLiveBatch = createLiveBatch({
    authenticate: (request) => requirePrincipal(options.authenticate, request, () => {}),
    serveShape,
  })
  return (request) => (isLiveBatch(request) ? serveLiveBatch(request) : serveShape(request))
}

function requireShape(
  shapes: ShapeRegistry,
  name: string,
  params: Readonly<Record<string, string>>,
  principal: Principal,
): ResolvedShape {
  const resolved = resolveShape(shapes, name, params, principal)
  if (!isRefusal(resolved)) return resolved
  if (resolved.reason === 'unknown_shape') throw unknownShape()
  throw new SessionDbError('invalid', resolved.message)
}

function etagOf(request: Request): string | null {
  const etag = request.headers.get('if-none-match')
  return etag !== null && etag.length <= MAX_ETAG_LENGTH ? etag : null
}

function methodNotAllowed(): Response {
  const error = new SessionDbError('invalid', `Shapes are read with one of ${ALLOW}.`)
  return failureResponse(error, { allow: ALLOW }, 405)
}

function answerError(error: unknown): Answer {
  if (error instanceof SessionDbError) return { response: failureResponse(error) }
  return { response: failureResponse(error), reason: `unexpected: ${describe(error)}` }
}

function withoutUpstream(error: unknown, client: AbortSignal): Answer {
  if (client.aborted) {
    return { response: new Response(null, { status: CLIENT_GONE }), reason: 'the client has gone' }
  }
  return { response: unreachable(), reason: `Electric cannot be reached: ${describe(error)}` }
}

/** The error's kind and code, not its text: a text can hold the URL and with it the secret. */
function describe(error: unknown): string {
  const kinds: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    kinds.push('code' in cause ? `${cause.name} ${String(cause.code)}` : cause.name)
  }
  return kinds.join(', caused by ') || typeof error
}

function log(logger: ShapeLogger | undefined, entry: ShapeLogEntry): void {
  try {
    logger?.(entry)
  } catch {
    // A logger that fails must not fail the request it reports on.
  }
}
