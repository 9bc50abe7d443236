import type { Principal } from '../../schema/principal.ts'

/** One line of the shape proxy's access log. Never contains the secret, a URL or a row. */
export interface ShapeLogEntry {
  readonly method: string
  /** Name of the shape; null when the request was refused before its name was read. */
  readonly shape: string | null
  /** Tenant and user only; null when the request was not authenticated. */
  readonly principal: Principal | null
  readonly live: boolean
  /** Status of the response; 499 when the client disconnected first. */
  readonly status: number
  /** Milliseconds until the response's headers; its body may still be streaming. */
  readonly durationMs: number
  /** Milliseconds of `durationMs` spent in the app's `authenticate`; null when it was not called or refused. */
  readonly authenticateMs: number | null
  /** Milliseconds of `durationMs` spent waiting for Electric; null when no request was sent. */
  readonly upstreamMs: number | null
  /** Why the response is not the shape, when the status alone is not clear. */
  readonly reason?: string
}

/** Called with every request once it has a response. Exceptions are ignored. */
export type ShapeLogger = (entry: ShapeLogEntry) => void

/** A request while it is being served. */
export interface RequestProgress {
  readonly method: string
  readonly startedAt: number
  /** When the request to Electric was sent. */
  upstreamAt: number
  shape: string | null
  principal: Principal | null
  /** Digest of the principal, for the response's headers. */
  digest: string | null
  live: boolean
  authenticateMs: number | null
  upstreamMs: number | null
  reason?: string
}

/** Starts timing a request. */
export function startProgress(method: string): RequestProgress {
  const startedAt = performance.now()
  return {
    method,
    startedAt,
    upstreamAt: startedAt,
    shape: null,
    principal: null,
    digest: null,
    live: false,
    authenticateMs: null,
    upstreamMs: null,
  }
}

/** Records the principal, and how long authentication took. */
export function markAuthenticated(
  progress: RequestProgress,
  { tenantId, userId }: Principal,
): void {
  // Not the principal itself: the app's may hold a token.
  progress.principal = { tenantId, userId }
  progress.authenticateMs = performance.now() - progress.startedAt
}

/** Records when Electric was asked. */
export function markUpstreamStart(progress: RequestProgress): void {
  progress.upstreamAt = performance.now()
}

/** Records how long Electric took to respond or fail. */
export function markUpstreamEnd(progress: RequestProgress): void {
  progress.upstreamMs = performance.now() - progress.upstreamAt
}

/** Calls the logger. Its exceptions are ignored, so that logging cannot fail a request. */
export function logRequest(
  logger: ShapeLogger | undefined,
  progress: RequestProgress,
  status: number,
  reason: string | undefined = progress.reason,
): void {
  if (logger === undefined) return
  const { method, shape, principal, live, authenticateMs, upstreamMs, startedAt } = progress
  try {
    logger({
      method,
      shape,
      principal,
      live,
      status,
      durationMs: performance.now() - startedAt,
      authenticateMs,
      upstreamMs,
      ...(reason === undefined ? {} : { reason }),
    })
  } catch {}
}
