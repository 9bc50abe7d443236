import type { CollectionStatus } from '@tanstack/db'
import type { SessionDbError } from '../../errors.ts'

/** The sync status of one collection. */
export interface SyncStatus {
  /** `idle`, `loading`, `ready`, `error` or `cleaned-up`, as TanStack DB has it. */
  readonly status: CollectionStatus
  /**
   * The state to show to users: `idle` (no subscribers), `connecting`, `live`, `reconnecting` (retries
   * by itself), `offline` (the same, and the browser has no network), or `stopped` (refused; resumes
   * after `restart()`).
   */
  readonly connection: SyncConnection
  /** The last error, or null while the stream works. */
  readonly lastError: SessionDbError | null
  /** When the collection was last up to date. */
  readonly lastSyncedAt: Date | null
  /** True while the collection holds all rows of the shape and the connection works. */
  readonly isUpToDate: boolean
  /** Electric's handle of the shape, for support and logs. */
  readonly handle: string | null
  /** The collection's position in the shape's log. */
  readonly offset: string | null
}

export type SyncConnection = 'idle' | 'connecting' | 'live' | 'reconnecting' | 'offline' | 'stopped'

/** A `SyncStatus` to subscribe to; fits React's `useSyncExternalStore`. */
export interface SyncStatusStore {
  /** Returns the current status; the same object until it changes. */
  readonly get: () => SyncStatus
  /** Calls `listener` soon after each change; returns the function that unsubscribes it. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A status store that the stream writes to. */
export interface WritableSyncStatus extends SyncStatusStore {
  readonly update: (changes: SyncStatusChanges) => void
}

/** Changes reported by a stream; `connection` is derived from them. */
export type SyncStatusChanges = Partial<Omit<SyncStatus, 'connection'>> & {
  /** True from an error that ends the stream until its restart. */
  readonly isStopped?: boolean
  /** True while the rows come from the device and the server has not confirmed them. */
  readonly isRestored?: boolean
}

/** Returns the changes for a collection that has just become up to date. */
export function upToDateNow(): SyncStatusChanges {
  return { isUpToDate: true, lastSyncedAt: new Date(), lastError: null }
}

/** The changes with which syncing starts. */
export const LOADING: SyncStatusChanges = {
  status: 'loading',
  lastError: null,
  isUpToDate: false,
  isStopped: false,
  isRestored: false,
}

/** The changes with which syncing ends. */
export const ENDED: SyncStatusChanges = {
  status: 'cleaned-up',
  isUpToDate: false,
  isStopped: false,
  handle: null,
  offset: null,
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

/** Creates the status of a collection that has not started syncing. */
export function createSyncStatus(): WritableSyncStatus {
  const listeners = new Set<() => void>()
  let current = INITIAL
  let stopped = false
  let restored = false
  return {
    get: () => current,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    update({ isStopped = stopped, isRestored = restored, ...changes }) {
      stopped = isStopped
      restored = isRestored
      // The log on the device ends up to date as of when it was stored.
      const next = { ...current, ...(restored && changes.isUpToDate ? {} : changes) }
      current = { ...next, connection: connectionOf(next, stopped) }
      // A live query starts its collection while a component renders, and React forbids updating
      // other components during a render. So listeners are called afterwards.
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
