import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { failureResponse } from '../http/failure-response.ts'
import { passOn } from '../http/pass-on.ts'
import type { Answer } from './answer.ts'

/** Limits per principal and instance of the proxy. Omitted limits do not apply. */
export interface ShapeLimits {
  /** Maximum number of concurrent requests, waiting live polls included. */
  readonly maxConcurrent?: number
  /** Maximum rate, averaged. */
  readonly requestsPerSecond?: number
  /** Size of a burst after a pause. Default: five seconds' worth. */
  readonly burst?: number
}

/** Runs requests, or responds with 429 and Retry-After. */
export interface Limiter {
  run(principal: Principal, client: AbortSignal, serve: () => Promise<Answer>): Promise<Answer>
}

/** A token bucket and a counter for one principal. */
interface Usage {
  running: number
  tokens: number
  /** When `tokens` was computed, in ms. */
  at: number
}

/** Number of principals kept before idle ones are dropped. */
const SWEEP_SIZE = 1_000

/**
 * Creates a limiter with its own counters: each instance of the proxy counts for itself.
 *
 * @throws TypeError when a limit is not a number above 0.
 * @example
 * createLimiter({ maxConcurrent: 50, requestsPerSecond: 20, burst: 100 })
 */
export function createLimiter(limits: ShapeLimits | undefined): Limiter {
  if (limits === undefined) return { run: (_principal, _client, serve) => serve() }
  checkLimits(limits)
  const {
    maxConcurrent = Number.POSITIVE_INFINITY,
    requestsPerSecond = Number.POSITIVE_INFINITY,
    burst = Math.max(1, requestsPerSecond * 5),
  } = limits
  const usages = new Map<string, Usage>()

  function usageOf({ tenantId, userId }: Principal, now: number): Usage {
    const key = JSON.stringify([tenantId, userId])
    const usage = usages.get(key) ?? { running: 0, tokens: burst, at: now }
    refill(usage, now)
    if (!usages.has(key)) {
      if (usages.size >= SWEEP_SIZE) dropIdle(now)
      usages.set(key, usage)
    }
    return usage
  }

  function refill(usage: Usage, now: number): void {
    if (requestsPerSecond === Number.POSITIVE_INFINITY) return
    const earned = ((now - usage.at) / 1000) * requestsPerSecond
    usage.tokens = Math.min(burst, usage.tokens + earned)
    usage.at = now
  }

  /** An idle principal's usage equals a new one's. */
  function dropIdle(now: number): void {
    for (const [key, usage] of usages) {
      refill(usage, now)
      if (usage.running === 0 && usage.tokens >= burst) usages.delete(key)
    }
  }

  return {
    async run(principal, client, serve) {
      const usage = usageOf(principal, performance.now())
      if (usage.running >= maxConcurrent) return refuse(1, 'too many concurrent requests')
      if (usage.tokens < 1) {
        const seconds = Math.ceil((1 - usage.tokens) / requestsPerSecond)
        return refuse(seconds, 'too many requests per second')
      }
      if (requestsPerSecond !== Number.POSITIVE_INFINITY) usage.tokens -= 1
      usage.running += 1
      const done = () => {
        usage.running -= 1
      }
      try {
        const { response, ...rest } = await serve()
        return { ...rest, response: watchEnd(response, client, done) }
      } catch (error) {
        done()
        throw error
      }
    },
  }
}

/** Calls `onEnd` once: when the body was read, failed or was cancelled, or the client disconnected. */
function watchEnd(response: Response, client: AbortSignal, onEnd: () => void): Response {
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    client.removeEventListener('abort', end)
    onEnd()
  }
  if (response.body === null || client.aborted) {
    end()
    return response
  }
  client.addEventListener('abort', end)
  const body = new ReadableStream(passOn(response.body, { onEnd: end }))
  const { status, headers } = response
  return new Response(body, { status, headers })
}

function refuse(retryAfterSeconds: number, reason: string): Answer {
  const error = new SessionDbError(
    'rate_limited',
    `There are ${reason}. Try again in ${retryAfterSeconds} s.`,
  )
  return {
    response: failureResponse(error, { 'retry-after': String(retryAfterSeconds) }),
    reason,
  }
}

function checkLimits(limits: ShapeLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue
    throw new TypeError(`limits.${name} must be a number above 0, not ${String(value)}.`)
  }
}
