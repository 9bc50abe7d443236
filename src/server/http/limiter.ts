import type { Principal } from '../../schema/principal.ts'
import { SessionDbError } from '../../writes/errors.ts'

/** Limits of one kind of request, per principal and process. Omitted limits do not apply. */
export interface RequestLimit {
  /** Maximum number of requests at a time. */
  readonly maxConcurrent?: number
  /** Number of further requests that wait for their turn instead of being refused. Default 0. */
  readonly maxWaiting?: number
  /** Maximum rate, averaged. */
  readonly requestsPerSecond?: number
  /** Size of a burst after a pause. Default: five seconds' worth. */
  readonly burst?: number
}

/**
 * Counts the requests of each principal in this process. It needs no database, so that a refused request
 * costs next to nothing.
 */
export interface Limiter {
  /**
   * Counts a request. One is admitted when its cost or half of the burst is left. If it costs more than
   * is left, the next ones wait until the rate has made up for it.
   *
   * Refusals beyond 20 per second are delayed, by 10 s at most: answering them takes time too, and a client
   * that ignores Retry-After would send the next request immediately.
   *
   * @param cost Number of requests that it counts as. Default 1.
   * @throws SessionDbError `rate_limited` with `details.retryAfterMs`.
   */
  spend(principal: Principal, cost?: number): Promise<void>
  /**
   * Waits until the principal has fewer requests running than allowed.
   *
   * @param signal Aborted when the client disconnects.
   * @returns A function that ends the request; further calls do nothing.
   * @throws SessionDbError `rate_limited` when too many are waiting; `unavailable` when the client is gone.
   */
  enter(principal: Principal, signal?: AbortSignal): Promise<() => void>
  /**
   * Counts a request and runs it when it is its turn.
   *
   * @param options.cost As in `spend`.
   * @throws SessionDbError As `spend` and `enter`; errors of `work` as they are.
   */
  run<Result>(
    principal: Principal,
    work: () => Promise<Result>,
    options?: { readonly cost?: number; readonly signal?: AbortSignal },
  ): Promise<Result>
}

/** A token bucket and the places of one principal. */
interface Usage {
  running: number
  /** Requests that wait for a place, the first one first. */
  readonly waiting: Set<() => void>
  tokens: number
  /** When `tokens` was computed, in ms. */
  at: number
  /** When the next refusal is due, in ms. */
  refusalAt: number
}

const MS_PER_REFUSAL = 50
/** Refusals that are sent immediately after a pause, as time. */
const REFUSAL_BURST_MS = 1_000
const MAX_REFUSAL_DELAY_MS = 10_000

/** Number of principals kept before idle ones are dropped. */
const SWEEP_SIZE = 1_000

/**
 * Creates a limiter with its own counters.
 *
 * @param limit False or undefined for no limits.
 * @param name Name of the option in errors.
 * @throws TypeError when a limit is not a number above 0.
 * @example
 * const limiter = createLimiter({ maxConcurrent: 3, maxWaiting: 50, requestsPerSecond: 20, burst: 100 })
 * await limiter.run(principal, () => expensiveWork())
 */
export function createLimiter(limit: RequestLimit | false | undefined, name = 'limits'): Limiter {
  const checked = limit || {}
  checkLimit(checked, name)
  const {
    maxConcurrent = Number.POSITIVE_INFINITY,
    maxWaiting = 0,
    requestsPerSecond = Number.POSITIVE_INFINITY,
    burst = Math.max(1, requestsPerSecond * 5),
  } = checked
  const usages = new Map<string, Usage>()

  function usageOf({ tenantId, userId }: Principal): Usage {
    const key = JSON.stringify([tenantId, userId])
    const now = performance.now()
    const known = usages.get(key)
    if (known !== undefined) {
      refill(known, now)
      return known
    }
    if (usages.size >= SWEEP_SIZE) dropIdle(now)
    const waiting = new Set<() => void>()
    const refusalAt = Number.NEGATIVE_INFINITY
    const usage = { running: 0, waiting, tokens: burst, at: now, refusalAt }
    usages.set(key, usage)
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
      if (usage.running === 0 && usage.tokens >= burst && usage.refusalAt < now) usages.delete(key)
    }
  }

  async function spend(principal: Principal, cost = 1): Promise<void> {
    if (requestsPerSecond === Number.POSITIVE_INFINITY) return
    const usage = usageOf(principal)
    const needed = Math.max(1, Math.min(cost, burst / 2))
    if (usage.tokens < needed) {
      const waitMs = ((needed - usage.tokens) / requestsPerSecond) * 1000
      throw await rateLimited(usage, waitMs, 'requests per second')
    }
    usage.tokens -= cost
  }

  async function enter(principal: Principal, signal?: AbortSignal): Promise<() => void> {
    const usage = usageOf(principal)
    if (usage.running < maxConcurrent) usage.running += 1
    else if (usage.waiting.size < maxWaiting) await untilFree(usage, signal)
    else throw await rateLimited(usage, 1000, 'concurrent requests')
    let hasEnded = false
    return () => {
      if (hasEnded) return
      hasEnded = true
      // The place goes to the next request without becoming free in between.
      const [next] = usage.waiting
      if (next === undefined) usage.running -= 1
      else next()
    }
  }

  return {
    spend,
    enter,
    async run(principal, work, { cost, signal } = {}) {
      await spend(principal, cost)
      const leave = await enter(principal, signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}

function untilFree({ waiting }: Usage, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      waiting.delete(next)
      signal?.removeEventListener('abort', abort)
    }
    const next = () => {
      stop()
      resolve()
    }
    const abort = () => {
      stop()
      reject(new SessionDbError('unavailable', 'The client has disconnected.'))
    }
    waiting.add(next)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort)
  })
}

/** Creates the error of a refusal, when it is due. */
async function rateLimited(usage: Usage, waitMs: number, what: string): Promise<SessionDbError> {
  const now = performance.now()
  usage.refusalAt = Math.max(usage.refusalAt, now - REFUSAL_BURST_MS) + MS_PER_REFUSAL
  const delayMs = usage.refusalAt - now
  if (delayMs > MAX_REFUSAL_DELAY_MS) usage.refusalAt -= MS_PER_REFUSAL
  if (delayMs > 0) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(delayMs, MAX_REFUSAL_DELAY_MS)))
  }
  const seconds = Math.ceil(waitMs / 1000)
  return new SessionDbError(
    'rate_limited',
    `There are too many ${what}. Try again in ${seconds} s.`,
    {
      details: { retryAfterMs: seconds * 1000 },
    },
  )
}

function checkLimit(limit: RequestLimit, name: string): void {
  for (const [option, value] of Object.entries(limit)) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue
    if (option === 'maxWaiting' && value === 0) continue
    throw new TypeError(`${name}.${option} must be a number above 0, not ${String(value)}.`)
  }
}
