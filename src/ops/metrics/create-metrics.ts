import { type Attributes, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import { Counter, Gauge, Histogram, type PrometheusContentType, Registry } from 'prom-client'
import type { Principal } from '../../schema/index.ts'
import { passOn } from '../../server/http/pass-on.ts'
import type { ShapeLogger } from '../../server/proxy/access-log.ts'
import { errorStatus, SessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import {
  type ReplicationOptions,
  replicationGauges,
  type UploadsOptions,
  uploadGauges,
} from './gauges.ts'
import { createSyncDelays } from './sync-delays.ts'

/** Options of `createMetrics`. */
export interface MetricsOptions {
  /** The registry to add the metrics to. Default: a new one. */
  readonly registry?: Registry<PrometheusContentType>
}

interface Writer<P extends Principal> {
  write(principal: P, batch: unknown): Promise<WriteResult>
}

/** Prometheus metrics and OpenTelemetry spans of an app's writes, shapes and replication. */
export interface Metrics {
  readonly registry: Registry<PrometheusContentType>
  /** Wraps a store so that its writes are counted and timed. */
  watchStore<P extends Principal, Store extends Writer<P>>(store: Store): Store
  /** Wraps a shape proxy so that its live clients are counted, and sync delays measured. */
  watchShapes(
    serve: (request: Request) => Promise<Response>,
  ): (request: Request) => Promise<Response>
  /** The `logger` for `createShapeProxy`: counts requests by shape and status. */
  readonly shapeLogger: ShapeLogger
  /** Reads the state of Electric's replication slot on each scrape. */
  watchReplication(options: ReplicationOptions): void
  /** Counts unfinished uploads and timelines on each scrape. */
  watchUploads(options: UploadsOptions): void
  /** The `onProgress` for an import. */
  readonly importProgress: (progress: { readonly done: number; readonly total: number }) => void
  /** Serves the metrics in Prometheus's format. Make it reachable for Prometheus only. */
  readonly handler: (request: Request) => Promise<Response>
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Creates the metrics of one process. Labels are results, shape names, statuses and states. They
 * contain no ids and no content, so a scrape reveals no user data and the number of series is small.
 *
 * @example
 * const metrics = createMetrics()
 * const store = metrics.watchStore(createSessionStore({ database: pool }))
 * const serveShape = metrics.watchShapes(
 *   createShapeProxy({ electricUrl, secret, authenticate, logger: metrics.shapeLogger }),
 * )
 * metrics.watchReplication({ database: pool })
 * // GET /metrics: metrics.handler(request)
 */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = options.registry ?? new Registry()
  const registers = [registry]
  const writes = new Counter({
    name: 'session_db_writes_total',
    help: 'Write batches by result: ok, or the error code',
    labelNames: ['result'],
    registers,
  })
  const writeSeconds = new Histogram({
    name: 'session_db_write_duration_seconds',
    help: 'Duration of a write batch',
    labelNames: ['result'],
    buckets: SECONDS,
    registers,
  })
  const requests = new Counter({
    name: 'session_db_shape_requests_total',
    help: 'Shape requests by shape, status and whether they are live',
    labelNames: ['shape', 'status', 'live'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'session_db_shape_request_duration_seconds',
    help: 'Time to the response headers of requests that are not live',
    labelNames: ['shape'],
    buckets: SECONDS,
    registers,
  })
  const liveClients = new Gauge({
    name: 'session_db_live_clients',
    help: 'Open live requests; one may wait for several shapes',
    registers,
  })
  const importRecords = new Gauge({
    name: 'session_db_import_records',
    help: 'Done and total records of a running import',
    labelNames: ['of'],
    registers,
  })
  const delays = createSyncDelays(
    new Histogram({
      name: 'session_db_sync_delay_seconds',
      help: 'Time from the response to a write until a live response of this process contained its txid',
      buckets: SECONDS,
      registers,
    }),
  )

  const count = (result: string, seconds: number) => {
    writes.inc({ result })
    writeSeconds.observe({ result }, seconds)
  }

  return {
    registry,
    watchStore: (store) => watchWrites(store, count, delays.written),
    watchShapes: (serve) => (request) =>
      traced('session_db.shape', {}, async (span) => {
        const waits = isLive(request)
        if (waits) liveClients.inc()
        const response = await serve(request).catch((error: unknown) => {
          if (waits) liveClients.dec()
          throw error
        })
        span.setAttribute('http.response.status_code', response.status)
        if (!waits) return response
        return watchBody(response, delays.chunkReader(), () => liveClients.dec())
      }),
    shapeLogger: ({ shape, status, live, durationMs }) => {
      // Clients choose the names of unknown shapes: each would become a series.
      const known = status === 404 ? 'unknown' : (shape ?? 'none')
      requests.inc({ shape: known, status: String(status), live: String(live) })
      if (!live) requestSeconds.observe({ shape: known }, durationMs / 1_000)
    },
    watchReplication: (replication) => replicationGauges(registers, replication),
    watchUploads: (uploads) => uploadGauges(registers, uploads),
    importProgress: ({ done, total }) => {
      importRecords.set({ of: 'done' }, done)
      importRecords.set({ of: 'total' }, total)
    },
    handler: async () =>
      new Response(await registry.metrics(), {
        headers: { 'content-type': registry.contentType, 'cache-control': 'no-store' },
      }),
  }
}

function watchWrites<P extends Principal, Store extends Writer<P>>(
  store: Store,
  count: (result: string, seconds: number) => void,
  written: (txid: number) => void,
): Store {
  const write: Writer<P>['write'] = (principal, batch) =>
    traced('session_db.write', { 'session_db.mutations': mutationsIn(batch) }, async (span) => {
      const started = performance.now()
      const seconds = () => (performance.now() - started) / 1_000
      try {
        const result = await store.write(principal, batch)
        count('ok', seconds())
        if (result.txid !== null) written(result.txid)
        return result
      } catch (error) {
        const code = codeOf(error)
        count(code, seconds())
        span.setAttribute('session_db.error', code)
        throw error
      }
    })
  return Object.assign(Object.create(store), { write }) as Store
}

/**
 * Runs `work` in a span, a no-op unless the app has set up OpenTelemetry. A failed span has no error
 * message, because messages can contain ids.
 */
function traced<Result>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  return trace.getTracer('@org/session-db').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span)
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  })
}

/**
 * Returns the same response with a body that calls `onChunk` for each chunk and `onEnd` once, whether
 * it was completed, cancelled or broken. Chunks are passed on unbuffered, when the client pulls them.
 */
function watchBody(
  response: Response,
  onChunk: (chunk: Uint8Array) => void,
  onEnd: () => void,
): Response {
  const { body, status, statusText, headers } = response
  if (body === null) {
    onEnd()
    return response
  }
  let ended = false
  const source = passOn(body, {
    onChunk,
    onEnd: () => {
      if (!ended) onEnd()
      ended = true
    },
  })
  const watched = new ReadableStream(source, { highWaterMark: 0 })
  return new Response(watched, { status, statusText, headers })
}

function codeOf(error: unknown): string {
  return error instanceof SessionDbError && error.code in errorStatus ? error.code : 'unexpected'
}

function mutationsIn(batch: unknown): number {
  const { mutations } = (batch ?? {}) as { mutations?: unknown }
  return Array.isArray(mutations) ? mutations.length : 0
}

function isLive(request: Request): boolean {
  const { pathname, searchParams } = new URL(request.url)
  return searchParams.get('live') === 'true' || pathname.endsWith('/_live')
}
