import { createSyncStatus, type SyncConnection, type SyncStatusStore } from './sync-status.ts'

/** The status of several collections as one. */
export interface JointStatus extends SyncStatusStore {
  /** Takes another collection in; returns the way to leave it out again. */
  add(part: SyncStatusStore): () => void
}

const fromGoodToBad: readonly SyncConnection[] = [
  'idle',
  'live',
  'connecting',
  'reconnecting',
  'offline',
  'stopped',
]

/** Creates the status of whichever collection does worst; `idle` while there is none. */
export function createJointStatus(): JointStatus {
  const parts = new Map<SyncStatusStore, () => void>()
  const listeners = new Set<() => void>()
  const none = createSyncStatus().get()
  const badness = (part: SyncStatusStore) => fromGoodToBad.indexOf(part.get().connection)
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
    for (const listener of listeners) queueMicrotask(() => listeners.has(listener) && listener())
  }
  return {
    get: () => current,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
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
