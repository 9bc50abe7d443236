import { SessionDbError } from '../../errors.ts'
import type { CollectionName } from '../../schema/tables.ts'
import type { SyncEvidence } from './sync-evidence.ts'
import type { SyncStatusStore } from './sync-status.ts'

/** A table of the library, as one collection holds it. */
export interface TableRef {
  readonly name: CollectionName
  /** The parameters of the collection's shape. */
  readonly params: Readonly<Record<string, string>>
}

/** The shape stream behind one collection. */
export interface SyncStream {
  readonly collectionId: string
  /** Name and parameters of the shape, for messages. */
  readonly shape: string
  readonly shapeName: string
  /** The table whose rows it holds; undefined for an app's own shape. */
  readonly table?: TableRef
  readonly evidence: Pick<SyncEvidence, 'wait' | 'shown'>
  readonly status: SyncStatusStore
  /** Returns the audience of its shape now; undefined for a shape of several audiences, or of none. */
  audience?(): string | undefined
  /** Returns the number of rows, optimistic ones included. */
  rows(): number
  /** Returns true while the collection syncs, so that a write can be shown and confirmed in it. */
  isLive(): boolean
  /** Resumes a stream that an error has stopped, from where it was. */
  restart(): void
  /** Stops syncing and removes all rows immediately, also from views that show them. */
  empty(): Promise<void>
  /** Stops syncing and forgets the rows. */
  cleanup(): Promise<void>
}

const streams = new WeakMap<object, SyncStream>()

/** Registers the stream of a collection for `streamOf`. */
export function registerStream(collection: object, stream: SyncStream): void {
  streams.set(collection, stream)
}

/**
 * Returns the stream of a collection.
 *
 * @throws SessionDbError `invalid` for a collection that was not created by this library
 */
export function streamOf(collection: object): SyncStream {
  const stream = streams.get(collection)
  if (stream !== undefined) return stream
  throw new SessionDbError(
    'invalid',
    'This collection has no sync of its own. Pass sessions, or a collection of session(id), thread(id) or shape(name).',
  )
}
