import { nextCursor } from './cursor.ts'
import { eventStream } from './event-stream.ts'
import { compareOffsets, type LogOffset } from './offset.ts'
import {
  type Checked,
  given,
  parseShapeParams,
  parseShapeRequest,
  type ShapeRequest,
} from './request-params.ts'
import {
  type AnswerContext,
  badBodyResponse,
  deletedResponse,
  errorResponse,
  etag,
  healthResponse,
  invalidResponse,
  notModified,
  plainResponse,
  preflightResponse,
  refetchResponse,
  type ShapeAnswer,
  shapeHeaders,
  subsetHeaders,
  unauthorizedResponse,
} from './responses.ts'
import type { LogPage, ShapeLog } from './shape-log.ts'
import type { ShapeStore, StoredShape } from './shape-store.ts'
import { snapshotFields } from './snapshot-visibility.ts'
import { type ShapeDefinition, ShapeFailure, type ShapeSource } from './source.ts'
import {
  BodyError,
  parseSubset,
  type RawSubset,
  subsetFromBody,
  subsetFromQuery,
} from './subset-params.ts'

/** How the protocol behaves; times in milliseconds. */
export interface ProtocolOptions {
  readonly longPollMs: number
  /** An SSE answer sends a comment after so long without an event. */
  readonly sseKeepAliveMs: number
  /** An SSE answer ends after so long. */
  readonly sseDurationMs: number
  /** Required as `secret` or `api_secret` when set. */
  readonly secret: string | undefined
  readonly allowShapeDeletion: boolean
  /** Told of errors that are nobody's fault but ours. */
  readonly onError: (error: unknown) => void
}

type Json = { readonly [key: string]: unknown }

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
): (request: Request) => Promise<Response> {
  type Shape = StoredShape<Definition>

  async function answer(request: Request): Promise<Response> {
    const context = { method: request.method, origin: request.headers.get('origin') }
    try {
      return await route(request, context)
    } catch (error) {
      if (error instanceof ShapeFailure) return failureResponse(context, error)
      options.onError(error)
      const message = error instanceof Error ? error.message : String(error)
      return errorResponse(context, 500, { message: `Unexpected error: ${message}` })
    }
  }

  async function route(request: Request, context: AnswerContext): Promise<Response> {
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
    if (method === 'DELETE') return deleteShape(url.searchParams, context)
    try {
      const subset =
        method === 'POST' ? subsetFromBody(await request.text()) : subsetFromQuery(url.searchParams)
      return await serve(request, url.searchParams, context, subset)
    } catch (error) {
      if (error instanceof BodyError) return badBodyResponse(context, error.body)
      throw error
    }
  }

  function authorized(query: URLSearchParams): boolean {
    if (options.secret === undefined) return true
    return [query.get('secret'), query.get('api_secret')].includes(options.secret)
  }

  async function deleteShape(query: URLSearchParams, context: AnswerContext): Promise<Response> {
    if (!options.allowShapeDeletion) {
      return errorResponse(context, 405, { message: 'DELETE not allowed' })
    }
    const handle = given(query, 'handle')
    let shape: Shape | undefined
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
        return errorResponse(context, 400, { message: otherShape })
      }
    }
    if (!shape) return errorResponse(context, 404, { message: 'No existing shape found' })
    store.remove(shape.log.handle)
    return deletedResponse(context)
  }

  async function serve(
    request: Request,
    query: URLSearchParams,
    context: AnswerContext,
    rawSubset: RawSubset | undefined,
  ): Promise<Response> {
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
    const asked = shapeRequest.offset
    if (typeof asked === 'object' && compareOffsets(asked, shape.log.lastOffset) > 0) {
      return invalidResponse(context, { offset: ['out of bounds for this shape'] })
    }
    if (subset) return serveSubset(shape, subset.value, shapeRequest, context)
    if (shapeRequest.sse) return serveEvents(shape, shapeRequest, context, request.signal)
    return serveLog(shape, shapeRequest, context, request)
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

  async function serveLog(
    shape: Shape,
    request: ShapeRequest,
    context: AnswerContext,
    { signal, headers }: Request,
  ): Promise<Response> {
    const { log, definition } = shape
    if (request.offset === 'now') return serveNow(shape, request, context)
    let page = await read(log, request.offset)
    const base = { handle: log.handle, requested: request.offset, live: request.live }
    const answerFor = (upToDate: boolean, end: LogOffset): ShapeAnswer => ({
      ...base,
      end,
      upToDate,
      ...(request.live ? { cursor: cursorFor(request) } : { schema: definition.schema }),
    })
    if (matches(headers.get('if-none-match'), etag(answerFor(page.complete, page.end)))) {
      return notModified(context, answerFor(page.complete, page.end))
    }
    while (request.live && page.complete && page.messages.length === 0) {
      const result = await log.wait(options.longPollMs, signal)
      if (result === 'expired') return refetchResponse(context)
      if (result !== 'changed') {
        const monotonic = String(Math.round(performance.now() * 1e6))
        return logResponse(context, { ...answerFor(true, page.end), monotonic }, [
          upToDateMessage(source.lastSeenLsn(log)),
        ])
      }
      page = await read(log, page.end)
    }
    const answered = answerFor(page.complete, page.end)
    if (!page.complete) return logResponse(context, answered, page.body ?? page.messages)
    const upToDate = upToDateMessage(reachedLsn(log, page, request.live))
    return logResponse(context, answered, [...page.messages, upToDate])
  }

  /** A page of the log; a shape that fails or expires meanwhile is a 409 or the failure itself. */
  async function read(log: ShapeLog, offset: LogOffset | 'before-all'): Promise<LogPage> {
    try {
      const page = await log.read(offset)
      if (log.state === 'expired') throw new ShapeFailure(409, 'the shape has expired')
      return page
    } catch (error) {
      store.remove(log.handle)
      throw error
    }
  }

  function reachedLsn(log: ShapeLog, page: LogPage, live: boolean): bigint {
    const seen = source.lastSeenLsn(log)
    return live || page.end.tx > seen ? page.end.tx : seen
  }

  async function serveNow(
    shape: Shape,
    request: ShapeRequest,
    context: AnswerContext,
  ): Promise<Response> {
    // Only once the snapshot is taken is every later change sure to be in the log.
    await read(shape.log, 'before-all')
    const answered: ShapeAnswer = {
      handle: shape.log.handle,
      requested: request.offset,
      end: shape.log.lastOffset,
      upToDate: true,
      live: false,
      schema: shape.definition.schema,
      monotonic: String(Math.round(performance.now() * 1e6)),
    }
    return logResponse(context, answered, [upToDateMessage(source.lastSeenLsn(shape.log))])
  }

  async function serveSubset(
    shape: Shape,
    subset: Subset,
    request: ShapeRequest,
    context: AnswerContext,
  ): Promise<Response> {
    const { log, definition } = shape
    const page = await read(log, request.offset === 'now' ? 'before-all' : request.offset)
    const rows = await source.readSubset(definition, subset, log)
    const end = request.offset === 'now' ? log.lastOffset : page.end
    const metadata: Json = {
      ...snapshotFields(rows.snapshot),
      snapshot_mark: rows.mark,
      database_lsn: String(rows.databaseLsn),
    }
    const body = `{"metadata":${JSON.stringify(metadata)},"data":[${rows.messages.join(',')}]}`
    const schema = request.live ? undefined : definition.schema
    return new Response(context.method === 'HEAD' ? null : body, {
      headers: subsetHeaders(context, { handle: log.handle, end, schema }),
    })
  }

  async function serveEvents(
    shape: Shape,
    request: ShapeRequest,
    context: AnswerContext,
    signal: AbortSignal,
  ): Promise<Response> {
    const { log } = shape
    const from = request.offset as LogOffset
    await read(log, from)
    const headers = shapeHeaders(context, {
      handle: log.handle,
      requested: from,
      end: from,
      upToDate: true,
      live: true,
      sse: true,
      cursor: cursorFor(request),
    })
    const stream = eventStream({
      log,
      from,
      keepAliveMs: options.sseKeepAliveMs,
      durationMs: options.sseDurationMs,
      upToDate: (end) => upToDateMessage(end.tx),
      signal,
    })
    return new Response(stream, { headers })
  }

  function cursorFor(request: ShapeRequest): string {
    return nextCursor(options.longPollMs, request.cursor, Date.now())
  }

  return answer
}

const otherShape =
  'The specified shape definition and handle do not match. Please ensure the shape definition is ' +
  'correct or omit the shape handle from the request to obtain a new one.'

function logResponse(
  context: AnswerContext,
  answer: ShapeAnswer,
  messages: readonly string[] | Uint8Array<ArrayBuffer>,
): Response {
  const headers = shapeHeaders(context, answer)
  if (context.method === 'HEAD') return new Response(null, { headers })
  const body = messages instanceof Uint8Array ? streamOf(messages) : `[${messages.join('\n,')}]`
  return new Response(body, { headers })
}

/** `Response` would copy the bytes, several megabytes for each client. */
function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}

function upToDateMessage(lsn: bigint): string {
  return `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lsn}"}}`
}

function failureResponse(context: AnswerContext, failure: ShapeFailure): Response {
  if (failure.status === 409) return refetchResponse(context)
  return errorResponse(context, failure.status, { message: failure.message }, failure.retryAfter)
}

function matches(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null) return false
  const bare = (text: string) => text.trim().replaceAll('"', '')
  return ifNoneMatch.split(',').some((entry) => bare(entry) === bare(tag))
}
