const epoch = Date.UTC(2024, 9, 9)

/**
 * The `electric-cursor` of a live answer: the end of the current polling interval, in seconds, so that
 * clients polling at the same time share one URL; never the one the client has just sent.
 *
 * @param previous - the client's `cursor`.
 * @example
 * nextCursor(20_000, undefined, Date.now())
 */
export function nextCursor(longPollMs: number, previous: string | undefined, now: number): string {
  const interval = Math.floor(longPollMs / 1000)
  if (interval === 0) return '0'
  const seconds = (now - epoch) / 1000
  const next = Math.ceil(seconds / interval) * interval
  const collides = String(next) === previous
  return String(collides ? next + 1 + Math.floor(Math.random() * 3600) : next)
}
