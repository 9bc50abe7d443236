import { sendBatch, sendBatches } from '../writes/adapter.ts'
import { withRetries } from '../writes/with-retries.ts'
import type { CommitContext } from './actions/commit-batch.ts'
import { registerContext } from './actions/context.ts'
import { createNativeMutations } from './actions/native-mutations.ts'
import { createActions } from './actions/session-actions.ts'
import { createWriteQueue } from './actions/write-queue.ts'
import { type AppShapes, createAppShapes, type GetAppShape } from './app-shapes.ts'
import { makeInspectable } from './inspect.ts'
import { UNKNOWN } from './optimistic/optimistic-rows.ts'
import { connectOutbox } from './outbox/outbox.ts'
import { persistStream } from './persistence/persistence.ts'
import type {
  NoShapes,
  SessionCollections,
  SessionCollectionsOptions,
} from './session-collections.ts'
import {
  createSources,
  liveSources,
  type ThreadRef,
  type ThreadScope,
  threadKey,
} from './sources.ts'
import { untilShown } from './sync/confirm-write.ts'
import { createConnection } from './sync/connection.ts'
import { createInitialRows, isServerOf } from './sync/initial-rows.ts'
import { requireOneTanStackDb } from './sync/one-tanstack-db.ts'
import { type SyncStream, streamOf } from './sync/sync-stream.ts'
import { warnInDevelopment } from './warn-in-development.ts'
import type { ThreadWindowOptions } from './windows/thread-window.ts'

/** How long a server holds the rows of a page that it renders, in ms. */
const SERVER_GC_MS = 1_000

/**
 * Creates the live collections of one signed-in user, and the actions that change them. Nothing is
 * fetched until a collection is subscribed to or preloaded.
 *
 * On a server that renders the page, collections show `initialRows` and start no streams.
 *
 * @throws SessionDbError `invalid` when two copies of `@tanstack/db` are installed
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
  const { identity = { tenantId: UNKNOWN, userId: UNKNOWN }, syncTimeoutMs = 10_000 } = options
  const connection = createConnection(options, {
    onSignedOut: () => void leave(false),
    onBack: () => options.outbox?.flush(),
    onRightsChanged() {
      for (const union of sources.unions) union.refresh()
    },
  })
  const onError = options.onError ?? warnInDevelopment()
  const running = new Set<SyncStream>()
  const isServer = options.ssr ?? isServerOf(options.electricUrl)
  const streams = {
    ...options,
    onError,
    running,
    fetchClient: connection.fetch,
    network: connection.network,
    initialRows: createInitialRows(options.initialRows ?? [], isServer),
    // A rendered page is not cleaned up, so its rows would stay in the server's memory.
    ...(isServer && { gcTime: SERVER_GC_MS }),
    persist: options.persistence && persistStream(options.persistence),
  }
  const native = createNativeMutations(() => context, options.handlers ?? {})
  const uploads = {
    request: connection.request,
    ...(options.uploadUrl === undefined ? {} : { uploadUrl: options.uploadUrl }),
  }
  const sources = createSources(streams, native.ofTable, (source) => outbox?.writes.show(source))
  const appShapes = createAppShapes(options.shapes ?? {}, sources.prefix, streams, native.ofShape)

  const adapter = connection.writes(options.writeAdapter)
  const retrying =
    options.writeRetries === false ? adapter : withRetries(adapter, options.writeRetries)
  const queue = createWriteQueue({
    send: (batch) => sendBatch(retrying, batch),
    ...(adapter.sendAll && { sendAll: (batches) => sendBatches(adapter, batches) }),
  })
  let pendingBatches = 0
  const writing: CommitContext = {
    live: liveSources(sources),
    identity,
    async send(batch) {
      pendingBatches += 1
      try {
        return await queue.submit(batch)
      } finally {
        pendingBatches -= 1
      }
    },
    syncTimeoutMs,
    onError,
  }
  // The outbox retries by itself.
  const outbox =
    isServer || options.outbox === undefined
      ? undefined
      : connectOutbox(options.outbox, (batch) => sendBatch(adapter, batch), writing)
  const context = {
    ...writing,
    ...(outbox && { outbox: outbox.writes }),
    uploads,
    sources,
  }

  /**
   * Returns the streams that may hold rows or have stopped. Sessions stay in view after a sign-out; they come
   * last, because collections of a session keep them syncing.
   */
  const inUse = () => [...running, ...sources.unions]

  async function leave(tellOthers: boolean): Promise<void> {
    // Pending writes stay on the device until this user signs in again.
    outbox?.close()
    connection.signOut(tellOthers)
    await Promise.all(inUse().map((stream) => stream.empty()))
    await options.persistence?.clear()
    connection.reset()
    options.onSignedOut?.()
  }

  const shape = (name: string, params: Readonly<Record<string, unknown>> = {}) =>
    appShapes.get(name, params).source.collection

  function thread(of: ThreadRef, window?: ThreadWindowOptions): ThreadScope {
    if (window === undefined) return sources.byThread.get(threadKey(of)).scope
    return sources.byWindow.get(threadKey(of, window.last)).scope
  }

  const db: SessionCollections<Shapes> = {
    sessions: sources.sessions.collection,
    session: (sessionId) => sources.bySession.get(sessionId).scope,
    thread: thread as SessionCollections<Shapes>['thread'],
    // The registry's types describe the rows that the untyped collection holds.
    shape: shape as unknown as GetAppShape<Shapes>,
    async confirm(collection, txid) {
      const expected = new Map([[streamOf(collection), []]])
      await untilShown(txid, expected, { timeoutMs: syncTimeoutMs, graceMs: 0 }, () => {})
    },
    mutationFn: native.persistTransaction,
    actions: createActions(context, (sessionId) => sources.bySession.get(sessionId).scope.grants),
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
  registerContext(db, context)
  makeInspectable(db, {
    streams: inUse,
    pendingBatches: () => pendingBatches,
    outbox: options.outbox,
    live: connection.live,
  })
  return db
}
