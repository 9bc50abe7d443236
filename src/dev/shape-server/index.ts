import { toResponse } from '../protocol/http-message.ts'
import { createShapeProtocol } from '../protocol/protocol.ts'
import { createShapeStore, type ShapeStore } from '../protocol/shape-store.ts'
import { createPool } from './connection.ts'
import { type HttpListener, listen } from './http-listener.ts'
import { createPostgresSource, type ShapeServerEvent } from './postgres-source.ts'
import { keepStreaming } from './reconnecting-stream.ts'
import type { PostgresShape } from './shape-definition.ts'
import { loadParser } from './where/parse-where.ts'

export type { ShapeServerEvent }

/** Settings of a shape server; times in milliseconds. */
export interface ShapeServerOptions {
  /** A role that may replicate and own the tables' publication; `wal_level` must be `logical`. */
  databaseUrl: string
  /** Asked of every shape request, as `secret` or `api_secret`. Default: none. */
  secret?: string
  /** How long a live request waits for a change. Default: 20,000. */
  longPollMs?: number
  /** An SSE answer sends a comment after so long without an event. Default: 21,000. */
  sseKeepAliveMs?: number
  /** Size at which an answer ends. Default: 10 MiB, as the engine. */
  chunkBytes?: number
  /** Bytes that all logs together may take: beyond it the log that has grown most starts over. Default: 512 MiB. */
  maxLogBytes?: number
  /** Whether DELETE removes shapes, for tests. Default: true. */
  allowShapeDeletion?: boolean
  /** Told of what happens. Default: nobody. */
  logger?: (event: ShapeServerEvent) => void
}

/** A shape server for development and tests. */
export interface ShapeServer {
  /** Answers one request, without a network. */
  fetch(request: Request): Promise<Response>
  /** Serves over HTTP. Port 0, the default, takes a free one. */
  listen(options?: { port?: number; host?: string }): Promise<{ url: string }>
  /** Ends all streams, answers no more, and leaves nothing behind in the database. */
  close(): Promise<void>
}

/**
 * Starts an Electric-compatible shape server over a Postgres database, in this process. Shape logs live
 * in memory: after a restart every handle has expired and clients fetch anew.
 *
 * @returns once replication is streaming.
 * @throws when NODE_ENV is production, and when Postgres cannot be reached or does not allow replication.
 * @example
 * const server = await createShapeServer({ databaseUrl })
 * const { url } = await server.listen()
 */
export async function createShapeServer(options: ShapeServerOptions): Promise<ShapeServer> {
  if (process.env.NODE_ENV === 'production') {
    throw new Error(
      'the embedded shape server is for development and tests: run Electric in production and set ELECTRIC_URL',
    )
  }
  await loadParser()
  const log = options.logger ?? (() => {})
  const onBroken = (error: Error) =>
    log({ level: 'warn', message: 'a database connection broke', error })
  const pool = createPool(options.databaseUrl, onBroken)
  const commitPool = createPool(options.databaseUrl, onBroken, 1)
  const endPools = () => Promise.all([pool.end(), commitPool.end()])
  try {
    let store: ShapeStore<PostgresShape>
    const source = await createPostgresSource({ pool, commitPool, store: () => store, log })
    store = createShapeStore<PostgresShape>({
      chunkBytes: options.chunkBytes ?? 10 * 1024 * 1024,
      maxBytes: options.maxLogBytes ?? 512 * 1024 * 1024,
      onRemove: (shape) => source.close(shape.log),
    })
    const stream = await keepStreaming({ databaseUrl: options.databaseUrl, source, log })
    const answer = createShapeProtocol(source, store, {
      longPollMs: options.longPollMs ?? 20_000,
      sseKeepAliveMs: options.sseKeepAliveMs ?? 21_000,
      sseDurationMs: 60_000,
      subsetLingerMs: 200,
      secret: options.secret,
      allowShapeDeletion: options.allowShapeDeletion ?? true,
      onError: (error) => log({ level: 'error', message: 'a request failed', error }),
    })
    const listeners: HttpListener[] = []
    return {
      fetch: async (request) => toResponse(await answer(request)),
      async listen(where) {
        const listener = await listen(answer, where)
        listeners.push(listener)
        return { url: listener.url }
      },
      async close() {
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
