import type { Principal } from '../../schema/principal.ts'

/** What the logger hears of one shape request. Never holds the secret, a URL or a row. */
export interface ShapeLogEntry {
  readonly method: string
  /** The shape asked for; null when the request was refused before one was known. */
  readonly shape: string | null
  /** Who asked, tenant and user only; null when nobody was recognised. */
  readonly principal: Principal | null
  readonly live: boolean
  /** Status of the answer; 499 when the client had gone before there was one. */
  readonly status: number
  /** Milliseconds until the answer's headers; its body may still be streaming. */
  readonly durationMs: number
  /** Of those, what the app's authentication took; null when it was not asked, or refused. */
  readonly authenticateMs: number | null
  /** Of those, what Electric took, a live poll's waiting included; null when it was not asked. */
  readonly upstreamMs: number | null
  /** Why the answer is not the shape, where that needs saying. */
  readonly reason?: string
}

/** Hears of every request when it is answered. What it throws is ignored. */
export type ShapeLogger = (entry: ShapeLogEntry) => void

/** What is known of a request so far. */
export interface Progress {
  readonly method: string
  readonly started: number
  /** When Electric was asked. */
  asked: number
  shape: string | null
  principal: Principal | null
  /** What browsers tell principals apart by. */
  digest: string | null
  live: boolean
  authenticateMs: number | null
  upstreamMs: number | null
  reason?: string
}

/** Begins to time a request. */
export function createProgress(method: string): Progress {
  const started = performance.now()
  return {
    method,
    started,
    asked: started,
    shape: null,
    principal: null,
    digest: null,
    live: false,
    authenticateMs: null,
    upstreamMs: null,
  }
}

/** Notes who asks, and how long it took to find out. */
export function noteAuthenticated(progress: Progress, { tenantId, userId }: Principal): void {
  // Not the principal itself: an app's own may hold a token.
  progress.principal = { tenantId, userId }
  progress.authenticateMs = performance.now() - progress.started
}

/** Notes that Electric is asked now. */
export function noteAsked(progress: Progress): void {
  progress.asked = performance.now()
}

/** Notes that Electric has answered, or that it will not. */
export function noteAnswered(progress: Progress): void {
  progress.upstreamMs = performance.now() - progress.asked
}

/** Tells the logger, whose own failure must not fail the request it reports on. */
export function logProgress(
  logger: ShapeLogger | undefined,
  progress: Progress,
  status: number,
  reason: string | undefined = progress.reason,
): void {
  if (logger === undefined) return
  const { method, shape, principal, live, authenticateMs, upstreamMs, started } = progress
  try {
    logger({
      method,
      shape,
      principal,
      live,
      status,
      durationMs: performance.now() - started,
      authenticateMs,
      upstreamMs,
      ...(reason === undefined ? {} : { reason }),
    })
  } catch {
    // There is nobody left to tell.
  }
}
