import type { CollectionStatus } from '@tanstack/db'
import type { SessionDbError } from '../../errors.ts'

/** How one collection's sync is doing. */
export interface SyncStatus {
  /** `idle`, `loading`, `ready`, `error` or `cleaned-up`, as TanStack DB has it. */
  readonly status: CollectionStatus
  /**
   * The one word to show: `idle` (nobody asks for it), `connecting`, `live`, `reconnecting` (it tries
   * again by itself), `offline` (the same, and the browser has no network), or `stopped` (refused:
   * it goes on after `restart()`).
   */
  readonly connection: SyncConnection
  /** What went wrong last, or null while all is well. */
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

export type SyncConnection = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'offline' | 'stopped'

/** A `SyncStatus` that changes; fits React's `useSyncExternalStore`. */
export interface SyncStatusStore {
  /** The status now; the same object until something changes. */
  readonly get: () => SyncStatus
  /** Calls `listener` soon after each change; returns the way to stop. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A status store that the stream may write to. */
export interface WritableSyncStatus extends SyncStatusStore {
  readonly update: (changes: SyncStatusChanges) => void
}

/** What the stream says of itself; how that looks from outside follows from it. */
export type SyncStatusChanges = Partial<Omit<SyncStatus, 'connection'>> & {
  /** Whether an error has ended the stream, until it is restarted. */
  readonly isStopped?: boolean
}

/** All that the server has said is here, and all is well. */
export function upToDateNow(): SyncStatusChanges {
  return { isUpToDate: true, lastSyncedAt: new Date(), lastError: null }
}

const INITIAL: SyncStatus = {
  status: 'idle',
  connection: 'idle',
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
  let stopped = false
  return {
    get: () => current,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    update({ isStopped = stopped, ...changes }) {
      stopped = isStopped
      const next = { ...current, ...changes }
      current = { ...next, connection: connectionOf(next, stopped) }
      // A live query starts its collection while a component renders: whoever listens must not be
      // made to render in the middle of that.
      for (const listener of listeners) queueMicrotask(() => listeners.has(listener) && listener())
    },
  }
}

interface Page {
  readonly navigator?: { readonly onLine?: boolean }
}

function connectionOf(status: SyncStatus, isStopped: boolean): SyncConnection {
  if (isStopped) return 'stopped'
  if (status.status === 'idle' || status.status === 'cleaned-up') return 'idle'
  if (status.lastError !== null) {
    return (globalThis as Page).navigator?.onLine === false ? 'offline' : 'reconnecting'
  }
  return status.isUpToDate ? 'live' : 'connecting'
}
