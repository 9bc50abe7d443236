import type { SessionDbError } from '../../errors.ts'
import { parseWriteBatch, type WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import {
  type BatchHints,
  type CommitContext,
  type CommitThroughOutbox,
  confirmBatch,
  showBatch,
} from '../actions/commit-batch.ts'
import type { Touch } from '../optimistic/apply-mutations.ts'
import type { OptimisticOverlay } from '../optimistic/optimistic-overlay.ts'
import type { LiveSources } from '../sources.ts'
import type { SyncStream } from '../sync/sync-stream.ts'
import type { SyncedCollection, SyncedRow } from '../sync/synced-collection.ts'

/** The writes of one page that go through an outbox, and their optimistic rows. */
export interface OutboxWrites {
  readonly commit: CommitThroughOutbox
  /** Shows the waiting writes in a collection that has started to sync or has received its rows. */
  show(source: SyncStream): void
}

/** The outbox as its writes use it. */
export interface OutboxQueue {
  /** Stores a write and resolves with the server's answer to it, whenever that comes. */
  send(batch: WriteBatchInput, sessionOfThread: ReadonlyMap<string, string>): Promise<WriteResult>
  /** Returns the writes that wait since before this page was loaded, or that other tabs stored. */
  restored(): Promise<readonly RestoredWrite[]>
}

/** A stored write and the answer to come. */
export interface RestoredWrite {
  readonly batch: WriteBatchInput
  readonly sessionOfThread: ReadonlyMap<string, string>
  readonly answer: Promise<WriteResult>
}

/** The part of the commit context that outbox writes depend on. */
export type OutboxContext = Pick<CommitContext, 'live' | 'identity' | 'syncTimeoutMs' | 'onError'>

/** A write that has not come back yet. */
interface Pending {
  readonly batch: WriteBatchInput
  readonly hints: BatchHints
  readonly overlays: OptimisticOverlay[]
  touches: Touch[]
}

/**
 * Creates the writes over an outbox. After a reload, stored writes show again as soon as a collection
 * they belong to is opened, until the server's own rows arrive.
 */
export function createOutboxWrites(queue: OutboxQueue, context: OutboxContext): OutboxWrites {
  const pending = new Set<Pending>()

  function begin(batch: WriteBatchInput, hints: BatchHints): Pending {
    parseWriteBatch(batch)
    const write: Pending = { batch, hints, overlays: [], touches: [] }
    show(write, context.live)
    pending.add(write)
    return write
  }

  function show(write: Pending, live: LiveSources): void {
    const { batch, hints, overlays } = write
    const { overlay, touches } = showBatch({ ...context, live }, batch, hints)
    write.touches = [...write.touches, ...touches]
    overlays.push(overlay)
  }

  async function settle(write: Pending, answer: Promise<WriteResult>): Promise<WriteResult> {
    const drop = () => {
      pending.delete(write)
      for (const overlay of write.overlays) overlay.drop()
    }
    try {
      const result = await answer
      const shown = { overlay: { drop }, touches: write.touches }
      await confirmBatch(shown, write.batch, result, context.syncTimeoutMs)
      return result
    } catch (error) {
      const isStored = (error as SessionDbError).code === 'sync_timeout'
      if (!isStored) drop()
      throw error
    }
  }

  queue
    .restored()
    .then((writes) => {
      for (const { batch, sessionOfThread, answer } of writes) {
        settle(begin(batch, { sessionOfThread }), answer).catch(context.onError)
      }
    })
    .catch(context.onError)

  return {
    async commit(batch, hints) {
      const write = begin(batch, hints)
      return await settle(write, queue.send(batch, hints.sessionOfThread))
    },
    show(source) {
      for (const write of pending) {
        const isShown = write.touches.some((touch) => touch.source === source)
        if (!isShown) show(write, only(source, context.live))
      }
    },
  }
}

/** Restricts the live collections to a single one. */
function only(source: SyncStream, live: LiveSources): LiveSources {
  const one = <Row extends SyncedRow>(sources: SyncedCollection<Row>[]) =>
    sources.filter((other) => (other as SyncStream) === source)
  return {
    sessions: () => one(live.sessions()),
    grants: (sessionId) => one(live.grants(sessionId)),
    timelines: (sessionId) => one(live.timelines(sessionId)),
    threads: (sessionId) => one(live.threads(sessionId)),
    messages: () => one(live.messages()),
    ownRows: () => live.ownRows().filter((rows) => rows.source === source),
    messagesOf: (threadId, sessionId) => one(live.messagesOf(threadId, sessionId)),
  }
}
