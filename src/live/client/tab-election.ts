import type { TabLocks } from './tab-messages.ts'

/** A tab's part in electing the one that polls. */
export interface TabElection {
  /** Queues for the lock that the leader holds; or takes it from a leader that hangs. */
  stand(how?: { readonly steal: boolean }): void
  /** Gives up the lock, and every place in the queue. */
  withdraw(): void
}

/**
 * Creates a tab's part. When the leader goes, however it goes, its lock passes on to the next tab.
 *
 * @param onElected this tab holds the lock now
 * @param onDeposed another tab has taken the lock away from this one
 */
export function createTabElection(
  locks: TabLocks,
  name: string,
  onElected: () => void,
  onDeposed: () => void,
): TabElection {
  let withdrawing = new AbortController()
  let release = () => {}

  return {
    stand({ steal } = { steal: false }) {
      const { signal } = withdrawing
      const lead = () =>
        new Promise<void>((resolve) => {
          if (signal.aborted) return resolve()
          release = resolve
          onElected()
        })
      // It rejects when this tab has withdrawn, and when another one has taken the lock.
      locks.request(name, steal ? { steal } : { signal }, lead).catch(() => {
        if (!signal.aborted) onDeposed()
      })
    },
    withdraw() {
      withdrawing.abort()
      withdrawing = new AbortController()
      release()
      release = () => {}
    },
  }
}
