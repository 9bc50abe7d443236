import { SessionDbError } from '../errors.ts'
import { createActions } from './actions.ts'
import { allSources } from './all-sources.ts'
import { type AppShapes, createAppShapes, type GetAppShape } from './app-shapes.ts'
import { createConnection } from './connection.ts'
import type { RowCollection, SyncedCollection, SyncStream } from './electric.ts'
import { requireOneTanStackDb } from './one-tanstack-db.ts'
import { UNKNOWN } from './optimistic-rows.ts'
import type {
  NoShapes,
  SessionCollections,
  SessionCollectionsOptions,
  SessionScope,
  ThreadScope,
} from './session-collections.ts'
import { createSources, liveSources } from './sources.ts'
import { confirmTxid } from './sync-timeout.ts'
import { createTimelineView } from './timeline/timeline-view.ts'
import { createUploadSession } from './upload/upload-session.ts'
import { createWriteOrder } from './write-order.ts'
import { createWriteSender } from './write-sender.ts'

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
 * const { messages } = db.thread(threadId)
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
  const streams = { ...options, fetchClient: connection.fetch, network: connection.network }
  const syncTimeoutMs = options.syncTimeoutMs ?? 10_000
  const sources = createSources(streams, (source) => outbox?.writes.show(source))
  const sender = createWriteSender(connection.writes(options.writeAdapter), options.writeRetries)
  const writing = {
    live: liveSources(sources),
    identity: options.identity ?? { tenantId: UNKNOWN, userId: UNKNOWN },
    sender,
    order: createWriteOrder(),
    syncTimeoutMs,
    onError: (error: SessionDbError) => options.onError?.(error),
  }
  const outbox = options.outbox?.connect(sender.sendOnce, writing)
  const appShapes = createAppShapes(options.shapes ?? {}, sources.prefix, streams)
  const appCollections = new WeakMap<object, RowCollection<object>>()
  const sessionScopes = new WeakMap<object, SessionScope>()
  const threadScopes = new WeakMap<object, ThreadScope>()
  const byCollection = new WeakMap<object, SyncStream>()

  const open = <Row extends object>(source: SyncedCollection<Row>) => {
    byCollection.set(source.collection, source)
    return source.collection
  }

  async function leave(tellOthers: boolean): Promise<void> {
    // What waits stays on the device, for when this user signs in again.
    outbox?.close()
    connection.signOut(tellOthers)
    await Promise.all(allSources(sources, appShapes).map((source) => source.empty()))
    connection.reset()
    options.onSignedOut?.()
  }

  const sourceOf = (collection: { readonly id: string }): SyncStream => {
    const source = byCollection.get(collection)
    if (source !== undefined) return source
    throw new SessionDbError(
      'invalid',
      'This collection has no sync of its own. Give sessions, or a collection of session(id), thread(id) or shape(name).',
    )
  }

  const shape = (name: string, params: Readonly<Record<string, unknown>> = {}) =>
    once(appCollections, appShapes.get(name, params), ({ source }) => open(source))

  return {
    sessions: open(sources.sessions),
    session: (sessionId) =>
      once(sessionScopes, sources.bySession.get(sessionId), ({ timeline, threads, messages }) => ({
        timeline: open(timeline),
        threads: open(threads),
        messages: open(messages),
      })),
    thread: (threadId) =>
      once(threadScopes, sources.byThread.get(threadId), ({ messages }) => ({
        messages: open(messages),
      })),
    timelineView: (sessionId, viewOptions) =>
      createTimelineView(
        (fromSeq, toSeq) => sources.timelineWindow(sessionId, fromSeq, toSeq),
        viewOptions,
      ),
    // The registry's types say what the untyped collection of a name holds.
    shape: shape as unknown as GetAppShape<Shapes>,
    confirm: (collection, txid) => confirmTxid(sourceOf(collection), txid, syncTimeoutMs),
    actions: createActions(
      { ...writing, ...(outbox && { outbox: outbox.writes }) },
      createUploadSession(options, connection.keep, (error) => options.onError?.(error)),
    ),
    status: (collection) => sourceOf(collection).status,
    restart() {
      connection.restart()
      for (const source of allSources(sources, appShapes)) source.restart()
    },
    signOut: () => leave(true),
    async cleanup() {
      outbox?.close()
      await Promise.all(allSources(sources, appShapes).map((source) => source.collection.cleanup()))
      connection.reset()
    },
  }
}

function once<Key extends object, Value>(
  known: WeakMap<object, Value>,
  key: Key,
  create: (key: Key) => Value,
): Value {
  const found = known.get(key)
  if (found !== undefined) return found
  const created = create(key)
  known.set(key, created)
  return created
}
