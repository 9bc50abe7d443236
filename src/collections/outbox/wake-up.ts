/** Wakes who waits for something to do. */
export interface WakeUp {
  /** It is worth trying now. A call that nobody waits for yet counts for the next who does. */
  now(): void
  /**
   * Something has been added. Who waits for that wakes; who waits to try again does so soon, but not
   * with every write of a user who has no network.
   */
  added(): void
  /** Resolves on a call, after `ms`, or when aborted. Without `ms` it waits as long as it takes. */
  wait(ms: number | undefined, signal: AbortSignal): Promise<void>
}

/**
 * Creates a wake-up.
 *
 * @param soonMs how long a wait to try again goes on after something has been added
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
