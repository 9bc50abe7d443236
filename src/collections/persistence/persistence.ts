import { SessionDbError } from '../../errors.ts'
import type { CollectionName } from '../../schema/tables.ts'
import type { WriterIdentity } from '../optimistic/optimistic-rows.ts'
import type { PersistStream } from '../sync/stream-options.ts'

export interface PersistenceOptions {
  /** The signed-in user. Rows of any other user are deleted from the device. */
  readonly identity: WriterIdentity
  /**
   * The collections to keep, by table of the library and by name of the app's own shapes. Default: all
   * tables of the library.
   */
  readonly collections?: readonly (CollectionName | (string & {}))[]
  /** Version of the app's own shapes. Rows of another version are not shown. Default 1. */
  readonly version?: number
  /** Separates several apps on one origin. Default `session-db-rows`. */
  readonly name?: string
}

/** Keeps the synced rows of collections on this device. */
export interface Persistence {
  /** Deletes all rows from the device. `signOut()` calls it. */
  clear(): Promise<void>
}

const streams = new WeakMap<Persistence, PersistStream>()

/** Registers a persistence for `persistStream`. */
export function registerPersistence(persistence: Persistence, persist: PersistStream): Persistence {
  streams.set(persistence, persist)
  return persistence
}

/**
 * Returns how a persistence of `createPersistence` wraps streams.
 *
 * @throws SessionDbError `invalid` for any other object
 */
export function persistStream(persistence: Persistence): PersistStream {
  const persist = streams.get(persistence)
  if (persist !== undefined) return persist
  throw new SessionDbError(
    'invalid',
    'persistence was not created by createPersistence. Pass its result.',
  )
}
