import { type HealthCheck, type ReadinessOptions, readReadiness } from './readiness.ts'

export interface HealthHandlerOptions extends ReadinessOptions {
  /**
   * Checks without which an instance takes no traffic; `database` and `migrations` unless given.
   * Electric is not among them: without it people still write, and read what their browsers hold, so
   * taking every instance away would turn a part of the service failing into all of it.
   */
  readonly required?: readonly HealthCheck['name'][] | undefined
  /** How long one look serves all who ask, in ms; 1,000 unless given. */
  readonly cacheMs?: number | undefined
}

/** What readiness comes down to. */
export interface Readiness {
  /** `degraded`: something is wrong that an instance can serve without. */
  readonly status: 'ready' | 'degraded' | 'not ready'
  readonly checks: readonly HealthCheck[]
}

/**
 * Serves `…/live` (200 as long as the process answers) and `…/ready`: 200 with `ready` or `degraded`,
 * 503 with `not ready`, each with what was looked at and what is wrong. Needs no sign-in, shows no
 * secret, and costs one look a second however often it is asked. It never rejects.
 *
 * @example
 * const serveHealth = createHealthHandler({ database: pool, electricUrl: process.env.ELECTRIC_URL })
 * const response = await serveHealth(new Request('http://app.internal/health/ready'))
 */
export function createHealthHandler(
  options: HealthHandlerOptions,
): (request: Request) => Promise<Response> {
  const required = options.required ?? ['database', 'migrations']
  const readiness = remember(options.cacheMs ?? 1_000, async () =>
    summarize(await readReadiness(options), required),
  )
  return async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer(405, { status: 'use GET' }, { allow: 'GET, HEAD' })
    }
    const probe = new URL(request.url).pathname.split('/').filter(Boolean).at(-1)
    if (probe === 'live') return answer(200, { status: 'live' })
    if (probe !== 'ready') return answer(404, { status: 'ask for /live or /ready' })
    const found = await readiness()
    return answer(found.status === 'not ready' ? 503 : 200, found)
  }
}

function summarize(checks: readonly HealthCheck[], required: readonly string[]): Readiness {
  const failed = checks.filter(({ ok }) => !ok)
  if (failed.some(({ name }) => required.includes(name))) return { status: 'not ready', checks }
  return { status: failed.length > 0 ? 'degraded' : 'ready', checks }
}

function answer(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { 'cache-control': 'no-store', ...headers } })
}

/** One call at a time, whose result serves everybody for a while. */
function remember<Value>(forMs: number, look: () => Promise<Value>): () => Promise<Value> {
  let latest: { readonly value: Promise<Value>; readonly until: number } | undefined
  return () => {
    if (latest !== undefined && performance.now() < latest.until) return latest.value
    const value = look()
    latest = { value, until: Number.POSITIVE_INFINITY }
    void value.then(() => {
      latest = { value, until: performance.now() + forMs }
    })
    return value
  }
}
