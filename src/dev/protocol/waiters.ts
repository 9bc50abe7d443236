/** Why a wait ended. */
export type WaitResult = 'changed' | 'timeout' | 'expired' | 'aborted'

/** Those who wait for something to happen to a log. */
export interface Waiters {
  readonly size: number
  wait(timeoutMs: number, signal?: AbortSignal): Promise<WaitResult>
  /** Ends all waits. */
  wake(result: WaitResult): void
}

/**
 * Creates an empty waiting room.
 *
 * @example
 * const waiters = createWaiters()
 * const result = waiters.wait(20_000)
 * waiters.wake('changed')
 */
export function createWaiters(): Waiters {
  const waiting = new Set<(result: WaitResult) => void>()
  return {
    get size() {
      return waiting.size
    },
    wait(timeoutMs, signal) {
      if (signal?.aborted) return Promise.resolve('aborted')
      return new Promise((resolve) => {
        const done = (result: WaitResult) => {
          clearTimeout(timer)
          waiting.delete(done)
          signal?.removeEventListener('abort', abort)
          resolve(result)
        }
        const abort = () => done('aborted')
        const timer: ReturnType<typeof setTimeout> | number = setTimeout(
          () => done('timeout'),
          timeoutMs,
        )
        // A server lives by its sockets; what waits in memory must not keep a test's process alive.
        // In a browser a timer is a number.
        if (typeof timer === 'object') timer.unref()
        signal?.addEventListener('abort', abort)
        waiting.add(done)
      })
    },
    wake(result) {
      const all = [...waiting]
      waiting.clear()
      for (const waiter of all) waiter(result)
    },
  }
}
