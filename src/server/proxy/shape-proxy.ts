import { PRINCIPAL_HEADER } from '../../live/principal-header.ts'
import { createLiveBatch, isLiveBatch } from '../../live/server/live-batch.ts'
import type { Principal } from '../../schema/principal.ts'
import type { ShapeRegistry } from '../../shapes/define-shape.ts'
import { isRefusal, type ResolvedShape, resolveShape } from '../../shapes/resolve-shape.ts'
import { sessionShapes } from '../../shapes/session-shapes.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../authenticate.ts'
import { failureResponse } from '../failure-response.ts'
import { type Answer, answerFrom, answerWithoutUpstream } from './answer.ts'
import { describeError } from './describe-error.ts'
import { createLimiter, type ShapeLimits } from './limiter.ts'
import {
  createProgress,
  logProgress,
  noteAnswered,
  noteAsked,
  noteAuthenticated,
  type Progress,
  type ShapeLogger,
} from './log-entry.ts'
import { type Fingerprint, principalDigest } from './principal-digest.ts'
import { shapeNameOf, unknownShape } from './request-path.ts'
import { readShapeQuery } from './request-query.ts'
import { type ShapeSubset, subsetReader } from './subset/read-subset.ts'
import { askUpstream, type UpstreamRequest } from './upstream-fetch.ts'
import { createUpstreamUrl, type Upstream } from './upstream-url.ts'

const MAX_ETAG_LENGTH = 512

/** Where Electric is, who may ask, and for what. */
export interface ShapeProxyOptions<P extends Principal = Principal> extends Upstream {
  /** Says who sends a request. Nobody, or an exception, is answered with 401. */
  readonly authenticate: Authenticate<P>
  /** The shapes on offer, the app's own among them; by default the six of this library. */
  readonly shapes?: ShapeRegistry<P>
  /**
   * Answers subsets of shapes, as `syncMode: 'on-demand'` asks for them, by GET and POST. Off by
   * default. Conditions are read, checked and written anew; only synced columns can be asked about.
   */
  readonly subsets?: boolean
  /**
   * What a principal's rights depend on beside tenant and user: `({ roles }) => roles.join()`. Tabs
   * of one user share their live connections only where it is the same. Needed where shapes of the
   * app look at more of the principal; only a digest of it leaves the server.
   */
  readonly fingerprint?: Fingerprint<P>
  /** How much one principal may ask of this instance; without limits by default. */
  readonly limits?: ShapeLimits
  /** Replaces `fetch`, for example to use another connection pool. */
  readonly fetch?: typeof fetch
  /** Hears of every request, with timings. */
  readonly logger?: ShapeLogger
}

/**
 * Serves named shapes to browsers: authenticates, turns the shape's name (the last segment of the
 * path) and its parameters into table, columns and condition, and streams Electric's answer.
 * Needs no database and no state, so any number of instances serve alike. `POST _live` beside the
 * shapes answers many live requests over one connection.
 *
 * The answer is typed JSON for every refusal: 400, 401, 404, 405, 413, 429 with Retry-After, or 502
 * and 503 with Retry-After when Electric cannot answer. It never rejects.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL, or a limit no number above 0.
 * @example
 * const serveShape = createShapeProxy({
 *   electricUrl: process.env.ELECTRIC_URL,
 *   secret: process.env.ELECTRIC_SECRET,
 *   authenticate: (request) => principalOf(request),
 * })
 * // GET /api/shapes/thread-messages?threadId=t1&offset=-1
 * const response = await serveShape(request)
 */
export function createShapeProxy<P extends Principal = Principal>(
  options: ShapeProxyOptions<P>,
): (request: Request) => Promise<Response> {
  const upstreamUrl = createUpstreamUrl(options)
  const shapes: ShapeRegistry<P> = options.shapes ?? sessionShapes
  const send = options.fetch ?? fetch
  const readSubset = subsetReader(options.subsets === true)
  const limiter = createLimiter(options.limits)
  const digestOf = principalDigest(options.fingerprint)
  const allow = options.subsets === true ? 'GET, HEAD, POST, OPTIONS' : 'GET, HEAD, OPTIONS'

  async function answer(request: Request, progress: Progress): Promise<Answer> {
    const { method } = request
    if (method === 'OPTIONS') {
      return { response: new Response(null, { status: 204, headers: { allow } }) }
    }
    if (!isAllowed(method, allow)) return { response: methodNotAllowed(allow) }
    const principal = await requirePrincipal(options.authenticate, request, (error) => {
      progress.reason = `authenticate failed: ${describeError(error)}`
    })
    noteAuthenticated(progress, principal)
    progress.digest = await digestOf(principal)
    return limiter.run(principal, request.signal, () => answerTo(principal, request, progress))
  }

  async function answerTo(principal: P, request: Request, progress: Progress): Promise<Answer> {
    const asked = await whatToAsk(principal, request, progress)
    noteAsked(progress)
    let upstream: Response
    try {
      upstream = await askUpstream(send, asked)
    } catch (error) {
      return answerWithoutUpstream(error, request.signal)
    } finally {
      noteAnswered(progress)
    }
    return answerFrom(upstream, { live: progress.live, isHead: request.method === 'HEAD' })
  }

  /** A step of its own: what only it needs must not be held for as long as a live request waits. */
  async function whatToAsk(
    principal: P,
    request: Request,
    progress: Progress,
  ): Promise<UpstreamRequest> {
    const url = new URL(request.url)
    progress.shape = shapeNameOf(url)
    const query = readShapeQuery(url.search)
    const shape = requireShape(shapes, progress.shape, query.params, principal)
    const subset = await readSubset(request, query, shape)
    progress.live = query.protocol.get('live') === 'true'
    return {
      url: upstreamUrl(shape, query.protocol),
      ...whatToSend(request, subset),
      signal: request.signal,
    }
  }

  async function serveShape(request: Request): Promise<Response> {
    const progress = createProgress(request.method)
    const { response, reason } = await answer(request, progress).catch(answerError)
    if (progress.digest !== null) response.headers.set(PRINCIPAL_HEADER, progress.digest)
    logProgress(options.logger, progress, response.status, reason)
    return response
  }

  const serveLiveBatch = createLiveBatch({
    authenticate: (request, onError) =>
      requirePrincipal(options.authenticate, request, (error) =>
        onError(`authenticate failed: ${describeError(error)}`),
      ),
    digestOf,
    serveShape,
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  })
  return (request) => (isLiveBatch(request) ? serveLiveBatch(request) : serveShape(request))
}

type ShapeMethod = 'GET' | 'HEAD' | 'POST'

function isAllowed(method: string, allow: string): method is ShapeMethod {
  return allow.split(', ').includes(method)
}

/** A subset goes to the engine as a body, however it came: so it is never cut off or logged there. */
function whatToSend(request: Request, subset: ShapeSubset | undefined) {
  const etag = request.headers.get('if-none-match')
  const ifNoneMatch = etag !== null && etag.length <= MAX_ETAG_LENGTH ? etag : null
  if (subset === undefined) {
    const method = request.method === 'HEAD' ? ('HEAD' as const) : ('GET' as const)
    return { method, ifNoneMatch }
  }
  return { method: 'POST' as const, ifNoneMatch: null, body: JSON.stringify(subset) }
}

function requireShape<P extends Principal>(
  shapes: ShapeRegistry<P>,
  name: string,
  params: Readonly<Record<string, string>>,
  principal: P,
): ResolvedShape {
  const resolved = resolveShape(shapes, name, params, principal)
  if (!isRefusal(resolved)) return resolved
  if (resolved.reason === 'unknown_shape') throw unknownShape()
  throw new SessionDbError('invalid', resolved.message)
}

function methodNotAllowed(allow: string): Response {
  const error = new SessionDbError('invalid', `Shapes are read with one of ${allow}.`)
  return failureResponse(error, { allow }, 405)
}

function answerError(error: unknown): Answer {
  if (error instanceof SessionDbError) return { response: failureResponse(error) }
  return { response: failureResponse(error), reason: `unexpected: ${describeError(error)}` }
}
