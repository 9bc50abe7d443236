import type { SessionDbError } from '../../errors.ts'
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

/** How an outbox is doing. */
export interface OutboxStatus {
  readonly waiting: number
  /** Writes the server refused: they stay until they are retried or discarded. */
  readonly failed: number
  /** Why the last try did not get through; null when it did. */
  readonly lastError: SessionDbError | null
}

export interface OutboxOptions {
  /** Who is signed in. Each principal has an outbox of its own: none sends what another wrote. */
  readonly identity: WriterIdentity
  /** Tells apart the outboxes of several apps on one origin. Default `session-db-outbox`. */
  readonly name?: string
  /** Hears of every write that the server refused for good, in the tab that sent it. */
  readonly onFailed?: (entry: OutboxEntry) => void
}

/** What `createSessionCollections` needs of an outbox. */
export interface OutboxConnection {
  readonly writes: OutboxWrites
  close(): void
}

/** What the writes of a page need of the device and of whoever sends from it. */
export interface OutboxQueue {
  /** Stores a write and resolves with the server's answer to it, whenever that comes. */
  send(batch: WriteBatchInput, sessionOfThread: ReadonlyMap<string, string>): Promise<WriteResult>
  /** Writes that wait from before, and the answers to come. */
  restored(): Promise<readonly RestoredWrite[]>
}

/** A write of before this page was loaded, or of another tab. */
export interface RestoredWrite {
  readonly batch: WriteBatchInput
  readonly sessionOfThread: ReadonlyMap<string, string>
  readonly answer: Promise<WriteResult>
}

/** Keeps writes on the device until the server has answered them. */
export interface Outbox {
  readonly status: {
    get(): OutboxStatus
    subscribe(listener: () => void): () => void
  }
  /** Everything that waits or was refused, oldest first. */
  entries(): Promise<OutboxEntry[]>
  /** Tries now, for example after a new sign-in; otherwise the next try comes by itself. */
  flush(): void
  /** Sends a refused write again. */
  retry(batchId: string): Promise<void>
  /** Gives a refused write up. */
  discard(batchId: string): Promise<void>
  /** Removes everything from the device, for a sign-out. What waits is lost. */
  clear(): Promise<void>
  /** Called by `createSessionCollections`. */
  connect(
    write: (batch: WriteBatchInput) => Promise<WriteResult>,
    context: OutboxContext,
  ): OutboxConnection
}
