import { isEventStream, isLongPoll, PRINCIPAL_HEADER } from '../../live/protocol.ts'
import { answerLiveBatch, isLiveBatch } from '../../live/server/live-batch.ts'
import type { Principal } from '../../schema/principal.ts'
import type { ShapeRegistry } from '../../shapes/define-shape.ts'
import { isRefusal, type ResolvedShape, resolveShape } from '../../shapes/resolve-shape.ts'
import { sessionShapes } from '../../shapes/session-shapes.ts'
import { AUDIENCES_NAME } from '../../shapes/shape-url.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../http/authenticate.ts'
import { failureResponse } from '../http/failure-response.ts'
import { createLimiter, type RequestLimit } from '../http/limiter.ts'
import { passOn } from '../http/pass-on.ts'
import { reportError } from '../http/report-error.ts'
import {
  logRequest,
  markAuthenticated,
  markUpstreamEnd,
  markUpstreamStart,
  type RequestProgress,
  type ShapeLogger,
  startProgress,
} from './access-log.ts'
import {
  type Answer,
  answerFrom,
  answerWithoutUpstream,
  nothingNew,
  shuttingDown,
} from './answer.ts'
import { createEndableFetch } from './endable-fetch.ts'
import { type Fingerprint, principalDigest } from './principal-digest.ts'
import { readShapeQuery, shapeNameOf, unknownShape } from './request.ts'
import { type ShapeSubset, subsetReader } from './subset/read-subset.ts'
import {
  createUpstreamUrls,
  describeError,
  requestUpstream,
  type Upstream,
  type UpstreamRequest,
} from './upstream.ts'

const MAX_ETAG_LENGTH = 512

/** Limits of all requests of one principal. */
export const defaultShapeLimits: RequestLimit = {
  maxConcurrent: 2_000,
  requestsPerSecond: 100,
  burst: 500,
}
/** Requests of one principal for rows that are there already: further ones wait until one is answered. */
const SNAPSHOT_LIMITS: RequestLimit = { maxConcurrent: 4, maxWaiting: 1_000 }
/** Live polls of one principal that start in `POLL_START_MS`: a batch of hundreds would delay others' requests. */
const POLL_LIMITS: RequestLimit = { maxConcurrent: 8, maxWaiting: Number.POSITIVE_INFINITY }
/** The engine answers a poll within this time, or holds it until there is news, at little cost. */
const POLL_START_MS = 50

/** Options of `createShapeProxy`. */
export interface ShapeProxyOptions<P extends Principal = Principal> {
  /**
   * Base URL of Electric, for example `http://electric:3000`. Its own query parameters are kept. With several
   * engines, a function that returns the engine of a principal: `({ tenantId }) => engines[stackOf(tenantId)]`.
   */
  readonly electricUrl: string | ((principal: P) => Upstream)
  /** `ELECTRIC_SECRET` of the engine at `electricUrl`. */
  readonly secret?: string | undefined
  /** Returns the principal of a request. Without one, or when it throws, the response is 401. */
  readonly authenticate: Authenticate<P>
  /** The shapes on offer, the app's own included. Default: the library's. */
  readonly shapes?: ShapeRegistry<P>
  /**
   * Schema of the library's tables, which `migrate` was called with. Shapes that the app defines name theirs
   * themselves (`schema.table`). Default `public`.
   */
  readonly schema?: string | undefined
  /**
   * Serves subsets of shapes, which `syncMode: 'on-demand'` requests, by GET and POST. Conditions are
   * parsed, checked and printed again; only synced columns can be queried. Default: false.
   */
  readonly subsets?: boolean
  /**
   * Returns what a principal's rights depend on beside tenant and user: `({ roles }) => roles.join()`.
   * Tabs of one user share live connections only while it is equal. Needed when the app's shapes
   * depend on more of the principal. Only a digest of it leaves the server.
   */
  readonly fingerprint?: Fingerprint<P>
  /**
   * Limits per principal and instance; false for none. Each poll of a batch counts as a request. Default:
   * 2,000 at a time, waiting live polls included; 100 per second after a burst of 500.
   */
  readonly limits?: RequestLimit | false
  /** Replaces `fetch` for requests to Electric, for example to use another connection pool. */
  readonly fetchClient?: typeof fetch
  /** Access log: called with every request and its timings. */
  readonly logger?: ShapeLogger
  /**
   * Called when the server is at fault: Electric is unreachable, refuses the secret or lacks a table, or
   * the app's code throws. The same fault is reported once a minute. Default `console.error`.
   */
  readonly onError?: (error: unknown) => void
}

/** Serves named shapes. */
export interface ShapeHandler {
  (request: Request): Promise<Response>
  /**
   * Ends live requests, for a shutdown: waiting polls are answered without news, batches and event streams
   * end, and browsers go on at another instance. Later live requests are answered with 503, and others are
   * served as before.
   */
  close(): void
}

/** The batch that a poll belongs to. */
interface BatchOfPoll<P extends Principal> {
  readonly principal: P
  /** True when the batch has counted the poll. */
  readonly isCounted: boolean
}

/**
 * Serves named shapes to browsers: authenticates, resolves the shape's name (the last segment of the
 * path) and its parameters to table, columns and condition, and streams Electric's response. It
 * needs no database and keeps no state between requests, so any number of instances can run. `POST
 * _live` beside the shapes serves many live requests over one connection, and `GET _audiences` lists
 * the audiences through which the principal looks at sessions.
 *
 * Every refusal is a typed JSON response: 400, 401, 404, 405, 413, 429 with Retry-After, or 502 and
 * 503 with Retry-After when Electric is not available. The returned function never rejects.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL, a limit is not a number above 0, or `schema` is no name.
 * @example
 * const serveShape = createShapeProxy({
 *   electricUrl: process.env.ELECTRIC_URL,
 *   secret: process.env.ELECTRIC_SECRET,
 *   authenticate: (request) => principalOf(request),
 * })
 * // GET /api/shapes/session-messages?sessionId=s1&offset=-1
 * const response = await serveShape(request)
 */
export function createShapeProxy<P extends Principal = Principal>(
  options: ShapeProxyOptions<P>,
): ShapeHandler {
  const upstreamUrlOf = createUpstreamUrls(options)
  const { schema } = options
  if (schema !== undefined && !/^[^."]+$/.test(schema)) {
    throw new TypeError('`schema` must be the name of a schema, without quotes and dots.')
  }
  const shapes: ShapeRegistry<P> = options.shapes ?? sessionShapes
  const send = createEndableFetch(options.fetchClient ?? fetch)
  const readSubset = subsetReader(options.subsets === true)
  const limiter = createLimiter(options.limits ?? defaultShapeLimits)
  const snapshots = createLimiter(options.limits === false ? false : SNAPSHOT_LIMITS)
  const polls = createLimiter(options.limits === false ? false : POLL_LIMITS)
  const digestOf = principalDigest(options.fingerprint, audiencesOf)
  const report = faultReporter(options.onError)
  const allow = options.subsets === true ? 'GET, HEAD, POST, OPTIONS' : 'GET, HEAD, OPTIONS'

  function audiencesOf(principal: P): readonly string[] {
    return shapes.sessions?.audiences?.(principal) ?? []
  }

  async function identify(request: Request, progress: RequestProgress): Promise<P> {
    const principal = await requirePrincipal(options.authenticate, request, (error) => {
      progress.reason = `authenticate failed: ${describeError(error)}`
      report(progress.reason, error)
    })
    markAuthenticated(progress, principal)
    progress.digest = await digestOf(principal)
    return principal
  }

  async function answer(
    request: Request,
    progress: RequestProgress,
    batch: BatchOfPoll<P> | undefined,
  ): Promise<Answer> {
    const { method } = request
    if (method === 'OPTIONS') {
      return { response: new Response(null, { status: 204, headers: { allow } }) }
    }
    if (!allow.split(', ').includes(method)) return { response: methodNotAllowed(allow) }
    // A poll of a batch is refused before it is authenticated.
    const known = batch?.principal ?? (await identify(request, progress))
    if (batch?.isCounted !== true) await limiter.spend(known)
    const leave = await limiter.enter(known)
    try {
      const { response, ...rest } = await inTurn(known, request, async () => {
        const principal = batch === undefined ? known : await identify(request, progress)
        return isAudienceList(request)
          ? { response: listAudiences(audiencesOf(principal)) }
          : answerShape(principal, request, progress)
      })
      return { ...rest, response: watchEnd(response, request.signal, leave) }
    } catch (error) {
      leave()
      throw error
    }
  }

  /** Runs `work` when it is the principal's turn. */
  async function inTurn(
    principal: P,
    request: Request,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    if (isAudienceList(request)) return work()
    const { signal } = request
    if (!isLongPoll(request.url)) return snapshots.run(principal, work, { signal })
    // A poll that is answered sooner keeps its place too: refusals of hundreds would take all of the time.
    setTimeout(await polls.enter(principal, signal), POLL_START_MS)
    return work()
  }

  async function answerShape(
    principal: P,
    request: Request,
    progress: RequestProgress,
  ): Promise<Answer> {
    const upstreamRequest = await resolveRequest(principal, request, progress)
    if (progress.live && send.ended.aborted) return { response: shuttingDown() }
    markUpstreamStart(progress)
    const { url } = upstreamRequest
    let upstream: Response
    try {
      upstream = await requestUpstream(send, upstreamRequest)
    } catch (error) {
      if (progress.live && send.ended.aborted) return { response: nothingNew(request.url) }
      return answerWithoutUpstream(error, url, request.signal)
    } finally {
      markUpstreamEnd(progress)
    }
    const answered = await answerFrom(upstream, {
      live: progress.live,
      isHead: request.method === 'HEAD',
      url,
    })
    if (!isEventStream(url)) return answered
    return { ...answered, response: whileAllowed(answered.response, isAllowed, send.ended) }

    async function isAllowed(): Promise<boolean> {
      const again = startProgress(request.method)
      try {
        const next = await resolveRequest(await identify(request, again), request, again)
        return next.url === url
      } catch {
        return false
      }
    }
  }

  /** A separate function, so that its locals are not kept in memory while a live request waits. */
  async function resolveRequest(
    principal: P,
    request: Request,
    progress: RequestProgress,
  ): Promise<UpstreamRequest> {
    const url = new URL(request.url)
    progress.shape = shapeNameOf(url)
    const query = readShapeQuery(url.search)
    const shape = requireShape(shapes, progress.shape, query.params, principal, schema)
    const subset = await readSubset(request, query, shape)
    progress.live = query.protocol.get('live') === 'true'
    return {
      url: upstreamUrlOf(principal)(shape, query.protocol),
      ...methodAndBody(request, subset),
      signal: request.signal,
    }
  }

  async function serveShape(request: Request, batch?: BatchOfPoll<P>): Promise<Response> {
    const progress = startProgress(request.method)
    const { response, reason, fault } = await answer(request, progress, batch).catch(answerError)
    if (fault !== undefined) report(reason ?? '', fault)
    if (progress.digest !== null) response.headers.set(PRINCIPAL_HEADER, progress.digest)
    logRequest(options.logger, progress, response.status, reason)
    return response
  }

  /** Logs only batches that are refused as a whole: each poll of a served one is logged by `serveShape`. */
  async function serveLiveBatch(request: Request): Promise<Response> {
    const progress = startProgress(request.method)
    progress.live = true
    const { response, reason = 'unexpected error' } = await answerLiveBatch(request, {
      ended: send.ended,
      async identify() {
        const principal = await identify(request, progress)
        // Refused before its body is read, if the principal has nothing left.
        await limiter.spend(principal, 0)
        return {
          digest: await digestOf(principal),
          count: (polls) => limiter.spend(principal, polls),
          serveShape: (poll, isCounted) => serveShape(poll, { principal, isCounted }),
        }
      },
    })
    if (!response.ok) {
      logRequest(
        options.logger,
        progress,
        response.status,
        `live batch: ${progress.reason ?? reason}`,
      )
    }
    return response
  }

  const serve = (request: Request) =>
    isLiveBatch(request) ? serveLiveBatch(request) : serveShape(request)
  return Object.assign(serve, { close: send.end })
}

/** Calls `onEnd` once: when the body was read, failed or was cancelled, or the client disconnected. */
function watchEnd(response: Response, client: AbortSignal, onEnd: () => void): Response {
  const end = () => {
    client.removeEventListener('abort', end)
    onEnd()
  }
  if (response.body === null || client.aborted) {
    end()
    return response
  }
  client.addEventListener('abort', end)
  const body = new ReadableStream(passOn(response.body, { onEnd: end, client }))
  const { status, headers } = response
  return new Response(body, { status, headers })
}

/**
 * Passes on a stream of events as long as the client may still see the shape, and until `ended` is aborted.
 * Access is checked before every chunk, as each poll would be: the engine itself keeps a stream open for a minute.
 */
function whileAllowed(
  response: Response,
  isAllowed: () => Promise<boolean>,
  ended: AbortSignal,
): Response {
  if (response.body === null) return response
  const reader = response.body.getReader()
  // A read that waits then ends without a chunk.
  const cancel = () => void reader.cancel().catch(() => {})
  const forget = () => ended.removeEventListener('abort', cancel)
  if (ended.aborted) cancel()
  else ended.addEventListener('abort', cancel)
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done && (await isAllowed())) return controller.enqueue(value)
        await reader.cancel()
        controller.close()
      } catch (error) {
        forget()
        throw error
      }
      forget()
    },
    cancel(reason) {
      forget()
      return reader.cancel(reason)
    },
  })
  return new Response(body, { status: response.status, headers: response.headers })
}

/** A subset is sent as a body even when it came in the query, so it is neither cut off nor logged. */
function methodAndBody(request: Request, subset: ShapeSubset | undefined) {
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
  schema: string | undefined,
): ResolvedShape {
  const resolved = resolveShape(shapes, name, params, principal, schema)
  if (!isRefusal(resolved)) return resolved
  if (resolved.reason === 'unknown_shape') throw unknownShape()
  if (resolved.reason === 'forbidden') throw new SessionDbError('forbidden', resolved.message)
  throw new SessionDbError('invalid', resolved.message)
}

function isAudienceList({ method, url }: Request): boolean {
  return method === 'GET' && new URL(url).pathname.endsWith(`/${AUDIENCES_NAME}`)
}

/** Tells a browser through which audiences it may look; it can't know the app's access rule. */
function listAudiences(audiences: readonly string[]): Response {
  const headers = {
    'cache-control': 'private, no-store',
    vary: 'Cookie, Authorization',
    'access-control-expose-headers': PRINCIPAL_HEADER,
    'x-content-type-options': 'nosniff',
  }
  return Response.json({ audiences }, { headers })
}

function methodNotAllowed(allow: string): Response {
  const error = new SessionDbError('invalid', `Shapes are requested with one of ${allow}.`)
  return failureResponse(error, { allow }, 405)
}

function answerError(error: unknown): Answer {
  if (error instanceof SessionDbError) {
    const isLimit = error.code === 'rate_limited'
    return { response: failureResponse(error), ...(isLimit && { reason: error.message }) }
  }
  const reason = `unexpected: ${describeError(error)}`
  return { response: failureResponse(error), reason, fault: error }
}

const REPORT_AGAIN_MS = 60_000

/** Reports each fault once a minute: without Electric, every waiting client has the same one. */
function faultReporter(
  onError: ((error: unknown) => void) | undefined,
): (reason: string, fault: unknown) => void {
  const reported = new Map<string, number>()
  return (reason, fault) => {
    const now = performance.now()
    if (now - (reported.get(reason) ?? Number.NEGATIVE_INFINITY) < REPORT_AGAIN_MS) return
    reported.set(reason, now)
    reportError(fault === true ? new Error(`Shape proxy: ${reason}`) : fault, onError)
  }
}
