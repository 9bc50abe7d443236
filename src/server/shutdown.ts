import { reportError } from './http/report-error.ts'

/** Stops by being called, or by its `stop`, `close` or `end`, the first that it has. */
export type Stoppable =
  | (() => unknown)
  | { stop(): unknown }
  | { close(): unknown }
  | { end(): unknown }

/** The part of `http.Server` that a shutdown uses. */
interface NodeServer {
  close(onClosed: (error?: Error) => void): unknown
  closeIdleConnections(): void
  closeAllConnections(): void
}

/** Options of `createShutdown`. */
export interface ShutdownOptions {
  /**
   * The server of `node:http`, or a function that stops another one, such as `() => bunServer.stop()`:
   * it accepts no more requests, and its promise resolves when the last one was answered.
   */
  readonly server: NodeServer | (() => unknown)
  /** Stopped first: shape handlers, whose clients would stay otherwise, and workers, watches and schedules. */
  readonly stop?: readonly Stoppable[]
  /** Closed after the last response, in this order: stores and pools. */
  readonly close?: readonly Stoppable[]
  /** How long requests may take to finish, in ms; then their connections are closed. Default 10,000. */
  readonly timeoutMs?: number
  /** Called with the error of anything that fails to stop. The others are stopped. Default `console.error`. */
  readonly onError?: (error: unknown) => void
}

/** How often connections whose last response has ended are closed. */
const IDLE_CHECK_MS = 20

/**
 * Creates a function that shuts a server down: live requests end, requests that have begun are answered, and
 * then stores and pools close, so that the process can exit. Browsers go on at another instance. Later calls
 * return the first one's promise.
 *
 * @param options.server The HTTP server.
 * @param options.stop What is stopped first: shape handlers, workers, watches and schedules.
 * @param options.close What is closed last: stores and pools.
 * @returns a function whose promise never rejects.
 * @example
 * const shutdown = createShutdown({ server, stop: [serveShape, worker], close: [store] })
 * process.once('SIGTERM', shutdown)
 */
export function createShutdown(options: ShutdownOptions): () => Promise<void> {
  const { server, stop = [], close = [], timeoutMs = 10_000, onError } = options
  let stopped: Promise<void> | undefined

  async function attempt(work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      reportError(error, onError)
    }
  }

  async function shutDown(): Promise<void> {
    // The server first, so that a client whose poll ends can't send the next one to it.
    const drained = attempt(() => drain(server, timeoutMs))
    await Promise.all([drained, ...stop.map((one) => attempt(() => stopOne(one)))])
    for (const one of close) await attempt(() => stopOne(one))
  }

  return () => {
    stopped ??= shutDown()
    return stopped
  }
}

function stopOne(stoppable: Stoppable): unknown {
  // A shape handler is a function with a `close`.
  if ('stop' in stoppable) return stoppable.stop()
  if ('close' in stoppable) return stoppable.close()
  if ('end' in stoppable) return stoppable.end()
  return stoppable()
}

async function drain(server: ShutdownOptions['server'], timeoutMs: number): Promise<void> {
  const isNode = 'closeIdleConnections' in server
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      if (isNode) server.closeAllConnections()
      resolve()
    }, timeoutMs)
  })
  try {
    await (isNode ? closed(server) : Promise.race([server(), tooLate]))
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when the last connection is closed. Node keeps those open whose response ends after `close`. */
async function closed(server: NodeServer): Promise<void> {
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
  try {
    await new Promise<void>((resolve, reject) => {
      server.close((error) => (error === undefined ? resolve() : reject(error)))
    })
  } finally {
    clearInterval(idle)
  }
}
