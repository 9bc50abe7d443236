import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { failureResponse } from '../failure-response.ts'
import type { Answer } from './answer.ts'
import { watchEnd } from './watch-end.ts'

/** How much one principal may ask of one instance of the proxy. What is left out has no limit. */
export interface ShapeLimits {
  /** Requests under way at once, waiting live polls included. */
  readonly maxConcurrent?: number
  /** Requests per second, on average. */
  readonly requestsPerSecond?: number
  /** Requests that may come at once after a pause. Default: five seconds' worth. */
  readonly burst?: number
}

/** Lets requests through, or answers them with 429 and Retry-After. */
export interface Limiter {
  run(principal: Principal, client: AbortSignal, serve: () => Promise<Answer>): Promise<Answer>
}

interface Usage {
  running: number
  /** Requests that may still come at once. */
  tokens: number
  /** When `tokens` was true, in ms. */
  at: number
}

/** How many principals are remembered before those that are at rest are forgotten. */
const SWEEP_SIZE = 1_000

/**
 * Creates a limiter with a memory of its own: each instance of the proxy counts for itself.
 *
 * @throws TypeError when a limit is no number above 0.
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
    const known = usages.get(key) ?? { running: 0, tokens: burst, at: now }
    refill(known, now)
    if (!usages.has(key)) {
      if (usages.size >= SWEEP_SIZE) sweep(now)
      usages.set(key, known)
    }
    return known
  }

  function refill(usage: Usage, now: number): void {
    if (requestsPerSecond === Number.POSITIVE_INFINITY) return
    const earned = ((now - usage.at) / 1000) * requestsPerSecond
    usage.tokens = Math.min(burst, usage.tokens + earned)
    usage.at = now
  }

  /** Forgets who is at rest: a new usage would be the same. */
  function sweep(now: number): void {
    for (const [key, usage] of usages) {
      refill(usage, now)
      if (usage.running === 0 && usage.tokens >= burst) usages.delete(key)
    }
  }

  return {
    async run(principal, client, serve) {
      const usage = usageOf(principal, performance.now())
      if (usage.running >= maxConcurrent) return refuse(1, 'too many requests at once')
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
