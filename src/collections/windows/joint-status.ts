import {
  createSyncStatus,
  type SyncConnection,
  type SyncStatusStore,
  type WritableSyncStatus,
} from '../sync/sync-status.ts'

/** Several collections whose status is one. */
export interface JointStatus {
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

/** Keeps in `status` that of whichever collection does worst; `idle` while there is none. */
export function joinStatuses(status: WritableSyncStatus): JointStatus {
  const parts = new Map<SyncStatusStore, () => void>()
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
