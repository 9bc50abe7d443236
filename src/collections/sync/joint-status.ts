import {
  createSyncStatus,
  type SyncConnection,
  type SyncStatusStore,
  type WritableSyncStatus,
} from './sync-status.ts'
import type { SyncedCollection } from './synced-collection.ts'

/** Resolves when the collection holds its rows; rejects if the stream stops before. */
export function untilReady<Row extends object>({
  collection,
  status,
}: SyncedCollection<Row>): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    const check = () => {
      const { lastError } = status.get()
      if (collection.isReady() && lastError === null) done(resolve)
      else if (lastError !== null && lastError.code !== 'unavailable') {
        done(() => reject(lastError))
      } else if (collection.status === 'cleaned-up') done(resolve)
    }
    const done = (end: () => void) => {
      unsubscribe()
      end()
    }
    const unsubscribe = status.subscribe(check)
    check()
  })
  ready.catch(() => undefined)
  return ready
}

const FROM_BEST_TO_WORST: readonly SyncConnection[] = [
  'idle',
  'live',
  'connecting',
  'reconnecting',
  'offline',
  'stopped',
]

/**
 * Combines the statuses of several collections: `status` becomes the worst of them, or `idle` while
 * there is none. `add` returns the function that removes a status again.
 */
export function joinStatuses(status: WritableSyncStatus): {
  add(part: SyncStatusStore): () => void
} {
  const parts = new Map<SyncStatusStore, () => void>()
  const none = createSyncStatus().get()
  const badness = (part: SyncStatusStore) => FROM_BEST_TO_WORST.indexOf(part.get().connection)
  const worst = () =>
    [...parts.keys()].reduce<SyncStatusStore | undefined>(
      (bad, part) => (bad === undefined || badness(part) > badness(bad) ? part : bad),
      undefined,
    )
  let current = none
  function refresh(): void {
    const next = worst()?.get() ?? none
    if (next === current) return
    current = next
    status.update({ ...next, isStopped: next.connection === 'stopped' })
  }
  return {
    add(part) {
      parts.set(part, part.subscribe(refresh))
      refresh()
      return () => {
        parts.get(part)?.()
        parts.delete(part)
        refresh()
      }
    },
  }
}
