import { createShapeProtocol } from '../protocol/protocol.ts'
import { toResponse } from '../protocol/responses.ts'
import { createShapeStore, type ShapeStore } from '../protocol/shape-store.ts'
import { refuseProduction } from '../refuse-production.ts'
import { createPool } from './connection.ts'
import { type HttpListener, listen } from './http-listener.ts'
import { createPostgresSource, type ShapeServerEvent } from './postgres-source.ts'
import { keepStreaming } from './replication-stream.ts'
import type { PostgresShape } from './shape-definition.ts'
import { loadPgParser } from './where/parse.ts'

export type { ShapeServerEvent }

/** Options of a shape server; times in milliseconds. */
export interface ShapeServerOptions {
  /** URL of a role with the REPLICATION privilege that owns the tables; `wal_level` must be `logical`. */
  database: string
  /** Requires this secret on every shape request, as `secret` or `api_secret`. Default: none. */
  secret?: string
  /** How long a live request waits for a change. Default: 20,000. */
  longPollMs?: number
  /** An SSE answer sends a comment after this long without an event. Default: 21,000. */
  sseKeepAliveMs?: number
  /** Size of one answer. Default: 10 MiB, like the engine's. */
  chunkBytes?: number
  /** Cache time of pages in seconds, like `ELECTRIC_CACHE_MAX_AGE`. Default: 60. */
  cacheMaxAge?: number
  /** Time in seconds to serve a stale page while revalidating, like `ELECTRIC_CACHE_STALE_AGE`. Default: 300. */
  cacheStaleAge?: number
  /**
   * Serves stored generated columns, as the engine does with Postgres 18 and later. Default: by the version
   * of this Postgres. Set it to false if production runs an older one.
   */
  generatedColumns?: boolean
  /** Memory of all logs together. Beyond it the log that has grown most starts over. Default: 512 MiB. */
  maxLogBytes?: number
  /**
   * Decides which web pages may send requests, by their origin. Default: loopback origins only, so that no
   * website that a developer visits can read the database.
   */
  allowOrigin?: (origin: string) => boolean
  /** Allows DELETE to remove shapes, for tests. Default: true. */
  allowShapeDeletion?: boolean
  /** Called with noteworthy events. Default: none. */
  onEvent?: (event: ShapeServerEvent) => void
}

const RECONCILE_INTERVAL_MS = 10_000

/** A shape server for development and tests. */
export interface ShapeServer {
  /** Answers one request without a network. */
  fetch(request: Request): Promise<Response>
  /** Serves over HTTP, by default on a free port of 127.0.0.1. */
  listen(options?: { port?: number; host?: string }): Promise<{ url: string }>
  /** Ends all requests and removes the server's publication and slot from the database. */
  close(): Promise<void>
}

/**
 * Starts an Electric-compatible shape server for a Postgres database in this process. Shape logs live in
 * memory: after a restart all handles have expired and clients fetch again.
 *
 * @returns once replication is streaming
 * @throws SessionDbError `invalid` when `NODE_ENV` is `production`; the error of Postgres when it cannot be
 * reached or does not allow replication
 * @example
 * const server = await createShapeServer({ database: url })
 * const { url } = await server.listen()
 */
export async function createShapeServer(options: ShapeServerOptions): Promise<ShapeServer> {
  refuseProduction('The embedded shape server')
  await loadPgParser()
  const log = options.onEvent ?? (() => {})
  const onBroken = (error: Error) =>
    log({ level: 'warn', message: 'a database connection broke', error })
  const pool = createPool(options.database, onBroken)
  const commitPool = createPool(options.database, onBroken, 1)
  const endPools = () => Promise.all([pool.end(), commitPool.end()])
  try {
    let store: ShapeStore<PostgresShape>
    const source = await createPostgresSource({
      pool,
      commitPool,
      store: () => store,
      log,
      replicatesGenerated: options.generatedColumns,
    })
    store = createShapeStore<PostgresShape>({
      chunkBytes: options.chunkBytes ?? 10 * 1024 * 1024,
      maxBytes: options.maxLogBytes ?? 512 * 1024 * 1024,
      onRemove: (shape) => source.close(shape.log),
    })
    const stream = await keepStreaming({
      database: options.database,
      name: source.publication.name,
      onTransaction: source.onTransaction,
      onRunning: source.setStreaming,
      onTrouble: (message, error) => log({ level: 'warn', message, error }),
    })
    const reconciling = setInterval(() => {
      source.reconcile().catch((error: unknown) => {
        log({ level: 'warn', message: 'looking for dropped tables failed', error })
      })
    }, RECONCILE_INTERVAL_MS)
    reconciling.unref()
    const answer = createShapeProtocol(source, store, {
      longPollMs: options.longPollMs ?? 20_000,
      sseKeepAliveMs: options.sseKeepAliveMs ?? 21_000,
      sseDurationMs: 60_000,
      subsetLingerMs: 200,
      cacheAges: { max: options.cacheMaxAge ?? 60, stale: options.cacheStaleAge ?? 300 },
      secret: options.secret,
      allowShapeDeletion: options.allowShapeDeletion ?? true,
      onError: (error) => log({ level: 'error', message: 'a request failed', error }),
    })
    const listeners: HttpListener[] = []
    return {
      fetch: async (request) => toResponse(await answer(request)),
      async listen(where) {
        const listener = await listen(answer, {
          ...where,
          allowOrigin: options.allowOrigin,
          // A website that rebinds its name doesn't know the secret, and a cache in front has its own name.
          checksHost: options.secret === undefined ? undefined : false,
        })
        listeners.push(listener)
        return { url: listener.url }
      },
      async close() {
        clearInterval(reconciling)
        await stream.stop()
        source.setStreaming(false)
        await Promise.all(listeners.map((listener) => listener.close()))
        await source.publication.drop().catch((error: unknown) => {
          log({ level: 'warn', message: 'the publication could not be dropped', error })
        })
        await endPools()
      },
    }
  } catch (error) {
    await endPools()
    throw error
  }
}
