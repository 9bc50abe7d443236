import type { CollectionStatus } from '@tanstack/db'
import type { SessionDbError } from '../errors.ts'

/** How one collection's sync is doing. */
export interface SyncStatus {
  /** `idle`, `loading`, `ready`, `error` or `cleaned-up`, as TanStack DB has it. */
  readonly status: CollectionStatus
  /**
   * What went wrong last, or null while all is well. After `unavailable` the stream goes on trying;
   * after any other code it has stopped, until the collection is cleaned up and used again.
   */
  readonly lastError: SessionDbError | null
  /** When the collection last held everything the server had to say. */
  readonly lastSyncedAt: Date | null
  /** Whether the collection holds everything the server has said, and the connection is well. */
  readonly isUpToDate: boolean
  /** Electric's name for the shape, for support and logs. */
  readonly handle: string | null
  /** How far into the shape's log the collection is. */
  readonly offset: string | null
}

/** A `SyncStatus` that changes; fits React's `useSyncExternalStore`. */
export interface SyncStatusStore {
  /** The status now; the same object until something changes. */
  readonly get: () => SyncStatus
  /** Calls `listener` soon after each change; returns the way to stop. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A status store that the stream may write to. */
export interface WritableSyncStatus extends SyncStatusStore {
  readonly update: (changes: Partial<SyncStatus>) => void
}

const INITIAL: SyncStatus = {
  status: 'idle',
  lastError: null,
  lastSyncedAt: null,
  isUpToDate: false,
  handle: null,
  offset: null,
}

/** Creates the status of a collection that has not started to sync. */
export function createSyncStatus(): WritableSyncStatus {
  const listeners = new Set<() => void>()
  let current = INITIAL
  return {
    get: () => current,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    update(changes) {
      current = { ...current, ...changes }
      // A live query starts its collection while a component renders: whoever listens must not be
      // made to render in the middle of that.
      for (const listener of listeners) queueMicrotask(() => listeners.has(listener) && listener())
    },
  }
}
