import type { SessionDbError } from '../errors.ts'
import { sendBatch } from '../writes/adapter.ts'
import type { WriteBatchInput } from '../writes/batch.ts'
import { withRetries } from '../writes/with-retries.ts'
import { createActions } from './actions/session-actions.ts'
import { createWriteOrder } from './actions/write-order.ts'
import { type AppShapes, createAppShapes, type GetAppShape } from './app-shapes.ts'
import { UNKNOWN } from './optimistic/optimistic-rows.ts'
import type {
  NoShapes,
  SessionCollections,
  SessionCollectionsOptions,
} from './session-collections.ts'
import { createSources, liveSources, threadKey } from './sources.ts'
import { createConnection } from './sync/connection.ts'
import { requireOneTanStackDb } from './sync/one-tanstack-db.ts'
import { confirmTxid } from './sync/sync-timeout.ts'
import { type SyncStream, streamOf } from './sync/synced-collection.ts'
import { createUploadSession } from './upload/upload-session.ts'
import { createTimelineView } from './windows/timeline-view.ts'

/**
 * Creates the live collections of one signed-in user, and the actions that change them. Nothing is
 * fetched until a collection is subscribed to or preloaded.
 *
 * @throws SessionDbError `invalid` when two copies of `@tanstack/db` are installed; a relative
 *   `electricUrl` outside a page fails when a collection starts to sync
 * @example
 * const db = createSessionCollections({
 *   electricUrl: '/api/shapes',
 *   writeAdapter: (batch) => writeBatch({ data: batch }),
 * })
 * const { messages } = db.thread({ id: threadId, sessionId })
 * db.actions.appendMessage({ threadId, role: 'user', content: 'Hello' })
 */
export function createSessionCollections<Shapes extends AppShapes = NoShapes>(
  options: SessionCollectionsOptions<Shapes>,
): SessionCollections<Shapes> {
  requireOneTanStackDb()
  const connection = createConnection(options, {
    onSignedOut: () => void leave(false),
    onBack: () => options.outbox?.flush(),
  })
  const running = new Set<SyncStream>()
  const streams = {
    ...options,
    running,
    fetchClient: connection.fetch,
    network: connection.network,
  }
  const syncTimeoutMs = options.syncTimeoutMs ?? 10_000
  const sources = createSources(streams, (source) => outbox?.writes.show(source))
  const adapter = connection.writes(options.writeAdapter)
  const retrying =
    options.writeRetries === false ? adapter : withRetries(adapter, options.writeRetries)
  const writing = {
    live: liveSources(sources),
    identity: options.identity ?? { tenantId: UNKNOWN, userId: UNKNOWN },
    send: (batch: WriteBatchInput) => sendBatch(retrying, batch),
    order: createWriteOrder(),
    syncTimeoutMs,
    onError: (error: SessionDbError) => options.onError?.(error),
  }
  const outbox = options.outbox?.connect((batch) => sendBatch(adapter, batch), writing)
  const appShapes = createAppShapes(options.shapes ?? {}, sources.prefix, streams)

  /** What may have rows or have stopped. The sessions are shown on after a sign-out. */
  const inUse = () => [...new Set([sources.sessions, ...running])]

  async function leave(tellOthers: boolean): Promise<void> {
    // What waits stays on the device, for when this user signs in again.
    outbox?.close()
    connection.signOut(tellOthers)
    await Promise.all(inUse().map((stream) => stream.empty()))
    connection.reset()
    options.onSignedOut?.()
  }

  const shape = (name: string, params: Readonly<Record<string, unknown>> = {}) =>
    appShapes.get(name, params).source.collection

  return {
    sessions: sources.sessions.collection,
    session: (sessionId) => sources.bySession.get(sessionId).scope,
    thread: (thread) => sources.byThread.get(threadKey(thread)).scope,
    timelineView: (sessionId, viewOptions) =>
      createTimelineView(
        (fromSeq, toSeq) => sources.timelineWindow(sessionId, fromSeq, toSeq),
        viewOptions,
      ),
    // The registry's types say what the untyped collection of a name holds.
    shape: shape as unknown as GetAppShape<Shapes>,
    confirm: async (collection, txid) => confirmTxid(streamOf(collection), txid, syncTimeoutMs),
    actions: createActions(
      { ...writing, ...(outbox && { outbox: outbox.writes }) },
      createUploadSession(options, connection.keep, (error) => options.onError?.(error)),
    ),
    status: (collection) => streamOf(collection).status,
    restart() {
      connection.restart()
      for (const stream of inUse()) stream.restart()
    },
    signOut: () => leave(true),
    async cleanup() {
      outbox?.close()
      await Promise.all(inUse().map((stream) => stream.cleanup()))
      connection.reset()
    },
  }
}
