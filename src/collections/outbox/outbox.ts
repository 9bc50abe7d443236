import { SessionDbError } from '../../errors.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import type { WriterIdentity } from '../optimistic/optimistic-rows.ts'
import type { OutboxFailure } from './outbox-storage.ts'
import type { OutboxContext, OutboxWrites } from './outbox-writes.ts'

/** A write in the outbox. */
export interface OutboxEntry {
  readonly batch: WriteBatchInput
  readonly addedAt: Date
  /** Why the server refused it; undefined while it waits. */
  readonly failure?: OutboxFailure
}

/** The status of an outbox. */
export interface OutboxStatus {
  readonly waiting: number
  /** Writes the server refused, kept until they are retried or discarded. */
  readonly failed: number
  /** Why the last attempt did not reach the server; null if it did. */
  readonly lastError: SessionDbError | null
}

export interface OutboxOptions {
  /** The signed-in user. Each has an outbox of its own, so that no user sends another's writes. */
  readonly identity: WriterIdentity
  /** Separates the outboxes of several apps on one origin. Default `session-db-outbox`. */
  readonly name?: string
  /** Called with every write that the server refused permanently, in the tab that sent it. */
  readonly onFailed?: (entry: OutboxEntry) => void
}

/** Keeps writes on the device until the server has answered them. */
export interface Outbox {
  readonly status: {
    get(): OutboxStatus
    subscribe(listener: () => void): () => void
  }
  /** Returns all waiting and refused writes, oldest first. */
  entries(): Promise<OutboxEntry[]>
  /** Tries now, for example after a new sign-in, instead of after the current pause. */
  flush(): void
  /** Sends a refused write again. */
  retry(batchId: string): Promise<void>
  /** Discards a refused write. */
  discard(batchId: string): Promise<void>
  /** Deletes everything from the device, for a sign-out. Waiting writes are lost. */
  clear(): Promise<void>
}

/** Connects an outbox to the collections of one `createSessionCollections`. */
export type ConnectOutbox = (
  write: (batch: WriteBatchInput) => Promise<WriteResult>,
  context: OutboxContext,
) => { readonly writes: OutboxWrites; close(): void }

const connectors = new WeakMap<Outbox, ConnectOutbox>()

/** Registers an outbox for `connectOutbox`. */
export function registerOutbox(outbox: Outbox, connect: ConnectOutbox): Outbox {
  connectors.set(outbox, connect)
  return outbox
}

/**
 * Connects an outbox of `createOutbox`.
 *
 * @throws SessionDbError `invalid` for any other object
 */
export function connectOutbox(
  outbox: Outbox,
  ...connection: Parameters<ConnectOutbox>
): ReturnType<ConnectOutbox> {
  const connect = connectors.get(outbox)
  if (connect !== undefined) return connect(...connection)
  throw new SessionDbError('invalid', 'outbox was not created by createOutbox. Pass its result.')
}
