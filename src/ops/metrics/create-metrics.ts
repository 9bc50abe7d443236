import { Counter, Gauge, Histogram, type PrometheusContentType, Registry } from 'prom-client'
import type { Principal } from '../../schema/index.ts'
import type { ShapeLogger } from '../../server/proxy/access-log.ts'
import { errorStatus, SessionDbError } from '../../writes/errors.ts'
import type { WriteResult } from '../../writes/result.ts'
import { type ReplicationOptions, replicationGauges } from './replication-gauges.ts'
import { createSyncDelays } from './sync-delays.ts'
import { traced } from './tracing.ts'
import { type UploadsOptions, uploadGauges } from './upload-gauges.ts'
import { watchBody } from './watch-body.ts'

export interface MetricsOptions {
  /** Where the metrics are kept; a registry of their own unless given. */
  readonly registry?: Registry<PrometheusContentType>
}

/** The part of a session store whose writes are counted. */
interface Writer<User extends Principal> {
  write(principal: User, batch: unknown): Promise<WriteResult>
}

/** Numbers about an app's writes, shapes and replication, for Prometheus, and spans for OpenTelemetry. */
export interface Metrics {
  readonly registry: Registry<PrometheusContentType>
  /** Counts a store's writes and times them. The store itself is left as it is. */
  watchStore<User extends Principal, Store extends Writer<User>>(store: Store): Store
  /** Counts a shape proxy's live clients and times how long writes take to reach them. */
  watchShapes(
    serve: (request: Request) => Promise<Response>,
  ): (request: Request) => Promise<Response>
  /** Give it to `createShapeProxy` as its `logger`: counts requests by shape and status. */
  readonly shapeLogger: ShapeLogger
  /** Looks at Electric's replication slot whenever the metrics are read. */
  watchReplication(options: ReplicationOptions): void
  /** Counts uploads and timelines that are not done yet whenever the metrics are read. */
  watchUploads(options: UploadsOptions): void
  /** Give it to an import as its `onProgress`: shows how far it is. */
  readonly importProgress: (progress: ImportProgress) => void
  /** Serves the metrics as Prometheus reads them. Let nobody but Prometheus reach it. */
  readonly handler: (request: Request) => Promise<Response>
}

/** How far an import is. */
export interface ImportProgress {
  readonly done: number
  readonly total: number
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Creates the metrics of one process. No label holds an id or a content: results, shape names,
 * statuses and states only, so that their number stays small and a scrape shows nobody's data.
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
    help: 'Write batches by result: ok, or the code of the error',
    labelNames: ['result'],
    registers,
  })
  const writeSeconds = new Histogram({
    name: 'session_db_write_duration_seconds',
    help: 'How long a write batch took',
    labelNames: ['result'],
    buckets: SECONDS,
    registers,
  })
  const requests = new Counter({
    name: 'session_db_shape_requests_total',
    help: 'Shape requests by shape, status and whether they waited for changes',
    labelNames: ['shape', 'status', 'live'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'session_db_shape_request_duration_seconds',
    help: 'How long a request that does not wait took until its headers',
    labelNames: ['shape'],
    buckets: SECONDS,
    registers,
  })
  const liveClients = new Gauge({
    name: 'session_db_live_clients',
    help: 'Requests that wait for changes now; one may wait for several shapes',
    registers,
  })
  const importRecords = new Gauge({
    name: 'session_db_import_records',
    help: 'Records of a running import: done and total',
    labelNames: ['of'],
    registers,
  })
  const delays = createSyncDelays(
    new Histogram({
      name: 'session_db_sync_delay_seconds',
      help: 'From the answer to a write until a live answer of this process carried its txid',
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
        return watchBody(response, delays.sawChunk(), () => liveClients.dec())
      }),
    shapeLogger: ({ shape, status, live, durationMs }) => {
      // A name nobody defined is whatever a client sends: as a label it would never end.
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

function watchWrites<User extends Principal, Store extends Writer<User>>(
  store: Store,
  count: (result: string, seconds: number) => void,
  written: (txid: number) => void,
): Store {
  const write: Writer<User>['write'] = (principal, batch) =>
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
  // Everything else stays the store's own.
  return Object.assign(Object.create(store), { write }) as Store
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
