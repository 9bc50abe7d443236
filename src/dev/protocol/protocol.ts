import { deleteShape } from './delete-shape.ts'
import type { ProtocolAnswer, ProtocolRequest } from './http-message.ts'
import { type Checked, parseShapeRequest, type ShapeRequest } from './request-params.ts'
import {
  type AnswerContext,
  badBodyResponse,
  errorResponse,
  healthResponse,
  invalidResponse,
  plainResponse,
  preflightResponse,
  refetchResponse,
  unauthorizedResponse,
} from './responses.ts'
import { type AnswerTimes, createShapeAnswers } from './shape-answers.ts'
import type { ShapeStore, StoredShape } from './shape-store.ts'
import { type ShapeDefinition, ShapeFailure, type ShapeSource, SubsetRefused } from './source.ts'
import {
  BodyError,
  parseSubset,
  type RawSubset,
  subsetFromBody,
  subsetFromQuery,
} from './subset-params.ts'
import { createSubsetsUnderWay } from './subsets-under-way.ts'

/** How the protocol behaves. */
export interface ProtocolOptions extends AnswerTimes {
  /** Required as `secret` or `api_secret` when set. */
  readonly secret: string | undefined
  readonly allowShapeDeletion: boolean
  /** Told of errors that are nobody's fault but ours. */
  readonly onError: (error: unknown) => void
}

/**
 * The HTTP protocol over a source of shapes: `/v1/shape` and `/v1/health`, as Electric 1.7.12 speaks it.
 * The states and invariants are in docs/shape-protocol.md.
 *
 * @param source - where shapes come from.
 * @param store - where their logs live.
 * @returns a function that answers every request and never throws.
 * @example
 * const answer = createShapeProtocol(source, store, options)
 * await answer(new Request('http://localhost/v1/shape?table=items&offset=-1'))
 */
export function createShapeProtocol<Definition extends ShapeDefinition, Subset>(
  source: ShapeSource<Definition, Subset>,
  store: ShapeStore<Definition>,
  options: ProtocolOptions,
): (request: ProtocolRequest) => Promise<ProtocolAnswer> {
  type Shape = StoredShape<Definition>
  const subsets = createSubsetsUnderWay(options.subsetLingerMs)
  const answers = createShapeAnswers(source, store, options, subsets)

  async function answer(request: ProtocolRequest): Promise<ProtocolAnswer> {
    const context = { method: request.method, origin: request.headers.get('origin') }
    try {
      return await route(request, context)
    } catch (error) {
      if (error instanceof ShapeFailure) return failureResponse(context, error)
      if (error instanceof SubsetRefused) {
        return invalidResponse(context, { subset: { where: error.message } })
      }
      options.onError(error)
      const message = error instanceof Error ? error.message : String(error)
      return errorResponse(context, 500, { message: `Unexpected error: ${message}` })
    }
  }

  async function route(request: ProtocolRequest, context: AnswerContext): Promise<ProtocolAnswer> {
    const url = new URL(request.url)
    const path = url.pathname.replace(/\/+$/, '')
    const { method } = request
    if (path === '') return plainResponse(context, 200, '')
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
    if (!authorized(url.searchParams)) return unauthorizedResponse()
    if (source.status() !== 'active') {
      throw new ShapeFailure(503, 'The replication stream is not running yet', 5)
    }
    if (method === 'DELETE') {
      return options.allowShapeDeletion
        ? deleteShape(source, store, url.searchParams, context)
        : errorResponse(context, 405, { message: 'DELETE not allowed' })
    }
    try {
      const subset =
        method === 'POST' ? subsetFromBody(await request.text()) : subsetFromQuery(url.searchParams)
      const serving = serve(request, url.searchParams, context, subset)
      return await (subset ? subsets.add(serving) : serving)
    } catch (error) {
      if (error instanceof BodyError) return badBodyResponse(context, error.body)
      throw error
    }
  }

  function authorized(query: URLSearchParams): boolean {
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
    const { schema } = definition
    const checked = {
      log: shape.log,
      definition: shape.definition,
      schema,
      request: shapeRequest,
      context,
    }
    if (subset) return answers.subset(checked, subset.value)
    if (!(await answers.reach(checked, request.signal))) {
      return invalidResponse(context, { offset: ['out of bounds for this shape'] })
    }
    if (shapeRequest.sse) return answers.events(checked, request)
    return answers.log(checked, request)
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

  function openShape(definition: Definition): Shape {
    const shape = store.create(definition)
    source.open(definition, shape.log)
    return shape
  }

  return answer
}

function failureResponse(context: AnswerContext, failure: ShapeFailure): ProtocolAnswer {
  if (failure.status === 409) return refetchResponse(context)
  return errorResponse(context, failure.status, { message: failure.message }, failure.retryAfter)
}
