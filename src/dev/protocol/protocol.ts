import {
  BodyError,
  type Checked,
  given,
  type ProtocolRequest,
  parseShapeParams,
  parseShapeRequest,
  parseSubset,
  type RawSubset,
  type ShapeRequest,
  subsetFromBody,
  subsetFromQuery,
} from './requests.ts'
import {
  type AnswerContext,
  badBodyResponse,
  type CacheAges,
  deletedResponse,
  errorResponse,
  healthResponse,
  invalidResponse,
  type ProtocolAnswer,
  plainResponse,
  preflightResponse,
  refetchResponse,
  unauthorizedResponse,
} from './responses.ts'
import { type AnswerTimes, createShapeAnswers } from './shape-answers.ts'
import type { ShapeStore, StoredShape } from './shape-store.ts'
import { type ShapeDefinition, ShapeFailure, type ShapeSource, SubsetRefused } from './source.ts'
import { createSubsetQueue } from './subsets-first.ts'

/** Settings of the protocol. */
export interface ProtocolOptions extends AnswerTimes {
  /** Cache times of pages in seconds. Default: 60 and 300, like the engine's. */
  readonly cacheAges?: CacheAges
  /** If set, requests must carry it as `secret` or `api_secret`. */
  readonly secret: string | undefined
  readonly allowShapeDeletion: boolean
  /** Called with unexpected errors; the request gets a 500. */
  readonly onError: (error: unknown) => void
}

const HANDLE_MISMATCH =
  'The specified shape definition and handle do not match. Please ensure the shape definition is ' +
  'correct or omit the shape handle from the request to obtain a new one.'

/**
 * Creates the HTTP protocol over a source of shapes: `/v1/shape` and `/v1/health` as Electric 1.7.12 serves
 * them. States and invariants are in docs/shape-protocol.md.
 *
 * @param source where shapes come from
 * @param store keeps their logs
 * @returns a function that answers every request and never throws
 * @example
 * const answer = createShapeProtocol(source, store, options)
 * await answer(new Request('http://localhost/v1/shape?table=items&offset=-1'))
 */
export function createShapeProtocol<Definition extends ShapeDefinition, Subset>(
  source: ShapeSource<Definition, Subset>,
  store: ShapeStore<Definition>,
  options: ProtocolOptions,
): (request: ProtocolRequest) => Promise<ProtocolAnswer> {
  const subsets = createSubsetQueue(options.subsetLingerMs)
  const answers = createShapeAnswers(source, store, options, subsets)

  async function answer(request: ProtocolRequest): Promise<ProtocolAnswer> {
    const context = {
      method: request.method,
      origin: request.headers.get('origin'),
      ...(options.cacheAges && { cacheAges: options.cacheAges }),
    }
    try {
      return await route(request, context)
    } catch (error) {
      if (error instanceof ShapeFailure) return failureResponse(context, error)
      if (error instanceof BodyError) return badBodyResponse(context, error.body)
      if (error instanceof SubsetRefused) {
        return invalidResponse(context, { subset: { where: error.message } })
      }
      options.onError(error)
      const message = error instanceof Error ? error.message : String(error)
      return errorResponse(context, 500, { message: `Unexpected error: ${message}` })
    }
  }

  async function route(request: ProtocolRequest, context: AnswerContext): Promise<ProtocolAnswer> {
    const { pathname, searchParams: query } = new URL(request.url)
    const path = normalPath(pathname)
    const { method } = request
    if (path === '/') return plainResponse(context, 200, '')
    if (path === '/v1/health' && (method === 'GET' || method === 'HEAD')) {
      return healthResponse(context, source.status())
    }
    if (path !== '/v1/shape') return plainResponse(context, 404, 'Not found')
    if (method === 'OPTIONS') {
      return preflightResponse(context, request.headers.get('access-control-request-headers'))
    }
    if (!['GET', 'HEAD', 'POST', 'DELETE'].includes(method)) {
      return plainResponse(context, 404, 'Not found')
    }
    if (!hasSecret(query)) return unauthorizedResponse()
    if (source.status() !== 'active') {
      throw new ShapeFailure(503, 'The replication stream is not running yet', 5)
    }
    if (method === 'DELETE') {
      return options.allowShapeDeletion
        ? deleteShape(query, context)
        : errorResponse(context, 405, { message: 'DELETE not allowed' })
    }
    const subset = method === 'POST' ? subsetFromBody(await request.text()) : subsetFromQuery(query)
    const serving = serve(request, query, context, subset)
    return subset ? subsets.add(serving) : serving
  }

  function hasSecret(query: URLSearchParams): boolean {
    if (options.secret === undefined) return true
    return [query.get('secret'), query.get('api_secret')].includes(options.secret)
  }

  async function serve(
    request: ProtocolRequest,
    query: URLSearchParams,
    context: AnswerContext,
    rawSubset: RawSubset | undefined,
  ): Promise<ProtocolAnswer> {
    const parsed = parseShapeRequest(query)
    if ('errors' in parsed) return invalidResponse(context, parsed.errors)
    const shapeRequest = parsed.value
    const defined = await source.define(shapeRequest.shape)
    if ('errors' in defined) return invalidResponse(context, defined.errors)
    const { definition } = defined
    const subset = rawSubset && (await checkSubset(definition, rawSubset, shapeRequest))
    if (subset && 'errors' in subset) return invalidResponse(context, { subset: subset.errors })

    const shape = store.byKey(definition.key) ?? openShape(definition)
    const { handle } = shape.log
    if (shapeRequest.handle !== undefined && shapeRequest.handle !== handle) {
      return refetchResponse(context, handle)
    }
    store.touch(handle)
    const checked = {
      log: shape.log,
      definition: shape.definition,
      schema: definition.schema,
      request: shapeRequest,
      context,
    }
    if (subset) return answers.subset(checked, subset.value)
    if (!(await answers.reach(checked, request.signal))) {
      return invalidResponse(context, { offset: ['out of bounds for this shape'] })
    }
    return shapeRequest.sse ? answers.events(checked, request) : answers.log(checked, request)
  }

  async function checkSubset(
    definition: Definition,
    raw: RawSubset,
    request: ShapeRequest,
  ): Promise<Checked<Subset>> {
    const parsed = parseSubset(raw)
    if ('errors' in parsed) return parsed
    const defined = await source.defineSubset(definition, parsed.value, request.shape)
    return 'errors' in defined ? defined : { value: defined.subset }
  }

  function openShape(definition: Definition): StoredShape<Definition> {
    const shape = store.create(definition)
    source.open(definition, shape.log)
    return shape
  }

  /** Deletes the shape named by its definition, by its handle, or by both if they match. */
  async function deleteShape(
    query: URLSearchParams,
    context: AnswerContext,
  ): Promise<ProtocolAnswer> {
    const handle = given(query, 'handle')
    let shape: StoredShape<Definition> | undefined
    if (given(query, 'table') === undefined) {
      if (handle === undefined) {
        const errors = { handle: ["can't be blank when shape definition is missing"] }
        return invalidResponse(context, errors)
      }
      shape = store.byHandle(handle)
    } else {
      const params = parseShapeParams(query)
      if ('errors' in params) return invalidResponse(context, params.errors)
      const defined = await source.define(params.value)
      if ('errors' in defined) return invalidResponse(context, defined.errors)
      shape = store.byKey(defined.definition.key)
      if (shape && handle !== undefined && shape.log.handle !== handle) {
        return errorResponse(context, 400, { message: HANDLE_MISMATCH })
      }
    }
    if (!shape) return errorResponse(context, 404, { message: 'No existing shape found' })
    store.remove(shape.log.handle)
    return deletedResponse(context)
  }

  return answer
}

/** Decodes the segments of a path and drops empty ones, as the engine does. */
function normalPath(pathname: string): string {
  try {
    return `/${pathname.split('/').filter(Boolean).map(decodeURIComponent).join('/')}`
  } catch {
    return pathname // a malformed escape
  }
}

function failureResponse(context: AnswerContext, failure: ShapeFailure): ProtocolAnswer {
  if (failure.status === 409) return refetchResponse(context)
  return errorResponse(context, failure.status, { message: failure.message }, failure.retryAfter)
}
