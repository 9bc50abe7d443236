/** Wakes the loop that sends the outbox. */
export interface WakeUp {
  /** Ends the current wait, or the next one if there is none. */
  now(): void
  /**
   * Notes that a write was added. A wait for writes ends; a pause before a retry is shortened, but
   * only once, so that a user without network doesn't cause a retry per write.
   */
  added(): void
  /** Resolves when woken, after `ms`, or when aborted. Without `ms` there is no time limit. */
  wait(ms: number | undefined, signal: AbortSignal): Promise<void>
}

/**
 * Creates a wake-up.
 *
 * @param soonMs the longest rest of a pause before a retry after a write was added, in ms
 */
export function createWakeUp(soonMs: number): WakeUp {
  const sleepers = new Set<{ now(): void; added(): void }>()
  let isCalled = false
  let isAdded = false
  return {
    now() {
      isCalled = true
      for (const sleeper of [...sleepers]) sleeper.now()
    },
    added() {
      isAdded = true
      for (const sleeper of [...sleepers]) sleeper.added()
    },
    wait(ms, signal) {
      return new Promise((resolve) => {
        const sleeper = { now: done, added: ms === undefined ? done : hurry }
        const startedAt = performance.now()
        let timer = ms === undefined ? undefined : setTimeout(done, ms)
        let isHurried = false
        function hurry(): void {
          const restMs = startedAt + (ms ?? 0) - performance.now()
          if (isHurried || restMs < soonMs) return
          isHurried = true
          clearTimeout(timer)
          timer = setTimeout(done, soonMs)
        }
        function done(): void {
          isCalled = false
          isAdded = false
          clearTimeout(timer)
          sleepers.delete(sleeper)
          signal.removeEventListener('abort', done)
          resolve()
        }
        sleepers.add(sleeper)
        signal.addEventListener('abort', done)
        if (signal.aborted || isCalled || (isAdded && ms === undefined)) done()
      })
    },
  }
}
