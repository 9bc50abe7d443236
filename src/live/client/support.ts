/** What a page has learned of the batch endpoint. */
export interface Support {
  /** Whether to try it. */
  isLikely(): boolean
  /** Whether it has ever answered a poll. */
  hasWorked(): boolean
  works(): void
  /** There is none, or its answers are held back on the way: not tried again for five minutes. */
  isMissing(): void
  /** It failed; after three times in a row it counts as missing, unless it has worked before. */
  failed(): void
}

const RETRY_MS = 5 * 60_000
const STRIKES = 3

/** Creates the memory of an endpoint that nobody has tried yet. */
export function createSupport(now: () => number = Date.now): Support {
  let missingUntil = 0
  let strikes = 0
  let worked = false
  const isMissing = () => {
    worked = false
    strikes = 0
    missingUntil = now() + RETRY_MS
  }
  return {
    isLikely: () => now() >= missingUntil,
    hasWorked: () => worked,
    works() {
      worked = true
      strikes = 0
    },
    isMissing,
    failed() {
      strikes += 1
      if (!worked && strikes >= STRIKES) isMissing()
    },
  }
}
