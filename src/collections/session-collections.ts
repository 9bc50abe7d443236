import type { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import type { ChatThread } from '../schema/chat-thread.ts'
import type { Session } from '../schema/session.ts'
import type { TimelineEvent } from '../schema/timeline-event.ts'
import type { WriteAdapter } from '../writes/adapter.ts'
import type { RefreshSignIn } from '../writes/refresh-sign-in.ts'
import type { WriteRetryOptions } from '../writes/with-retries.ts'
import type { SessionActions } from './actions/session-actions.ts'
import type { AppShapes, GetAppShape } from './app-shapes.ts'
import type { WriterIdentity } from './optimistic/optimistic-rows.ts'
import type { Outbox } from './outbox/outbox.ts'
import type { SyncStatusStore } from './sync/sync-status.ts'
import type { RowCollection, StreamOptions } from './sync/synced-collection.ts'
import type { UploadOptions } from './upload/upload-session.ts'
import type { TimelineView, TimelineViewOptions } from './windows/timeline-view.ts'

/** No shapes of the app's own. */
export type NoShapes = Readonly<Record<never, never>>

/** How `createSessionCollections` reaches the server. */
export interface SessionCollectionsOptions<Shapes extends AppShapes = NoShapes>
  extends Partial<UploadOptions> {
  /**
   * Base of the app's shape proxy, for example `/api/shapes` or `https://app.example/api/shapes`.
   * A relative one belongs to the page's origin.
   */
  readonly electricUrl: string
  /** Hands a batch to the server: a server function or `createHttpWriteAdapter({ url })`. */
  readonly writeAdapter: WriteAdapter
  /**
   * How a batch is sent again while the server cannot be reached or is overloaded; false for never.
   * It is applied once, however often it is sent. Default: 4 attempts within some seconds.
   */
  readonly writeRetries?: WriteRetryOptions | false
  /** The app's own shapes, as the proxy has them: `shape` makes collections of them. */
  readonly shapes?: Shapes
  /** Who is signed in. Fills rows until the server's own arrive; the server never trusts it. */
  readonly identity?: WriterIdentity
  /** Headers of shape requests: texts, or functions asked anew for every request. */
  readonly headers?: NonNullable<StreamOptions['headers']>
  /** Replaces `fetch` for shape requests and uploads. */
  readonly fetchClient?: typeof fetch
  /**
   * Whether live requests share connections: at most two per browser profile instead of one per
   * collection and tab. Default true. Needs nothing but `createShapeProxy` on the server; where that
   * or the browser lacks something, requests go by themselves.
   */
  readonly shareLiveConnections?: boolean
  /**
   * Called when the server answers 401, once for all streams, writes and uploads: sign the user in anew, and
   * return the headers to use from now on, or nothing when a cookie or `headers` has changed. What
   * was refused is asked once more. When this rejects, or is not given, streams stop (see `status`).
   */
  readonly onUnauthenticated?: RefreshSignIn
  /** Called after the user has signed out, here or in another tab, and the collections are empty. */
  readonly onSignedOut?: () => void
  /** Hears of every failed action and of every error that ends a stream. */
  readonly onError?: (error: SessionDbError) => void
  /** Keeps writes on this device while the server cannot be reached: `createOutbox({ identity })`. */
  readonly outbox?: Outbox
  /** How long an answered write may take to come back through the stream, in ms. Default 10,000. */
  readonly syncTimeoutMs?: number
  /** How long a collection without subscribers goes on syncing, in ms. Default 300,000. */
  readonly gcTimeMs?: number
}

/** The collections of one session. */
export interface SessionScope {
  readonly timeline: RowCollection<TimelineEvent>
  readonly threads: RowCollection<ChatThread>
  readonly messages: RowCollection<ChatMessage>
}

/** Identifies a thread and its session. A thread's row is one. */
export type ThreadRef = Pick<ChatThread, 'id' | 'sessionId'>

/** The collections of one thread. */
export interface ThreadScope {
  readonly messages: RowCollection<ChatMessage>
}

/** Sessions, timelines, threads and messages as this user may see them, live. */
export interface SessionCollections<Shapes extends AppShapes = NoShapes> {
  readonly sessions: RowCollection<Session>
  /** One session's collections: the same object for the same id, while it is held or syncs. */
  session(sessionId: string): SessionScope
  /**
   * Returns a thread's collections: the same object for the same thread, while it is referenced or syncs.
   *
   * @param thread id of the thread and of its session, or the thread's row
   * @example
   * const { messages } = db.thread({ id: threadId, sessionId })
   */
  thread(thread: ThreadRef): ThreadScope
  /**
   * A new view of a session's timeline that loads what is shown and no more, for sessions of any
   * length. Close it when nobody looks at it.
   *
   * @throws SessionDbError `invalid` for a window size out of bounds.
   * @example
   * const view = db.timelineView(sessionId)
   * await view.show(0, 200)
   */
  timelineView(sessionId: string, options?: TimelineViewOptions): TimelineView
  /**
   * The collection of one of the app's own shapes: the same object for the same parameters, while it
   * is held or syncs.
   *
   * @throws SessionDbError `invalid` for a name or parameters that `shapes` does not have
   * @example
   * const projects = db.shape('projects', { folderId })
   */
  readonly shape: GetAppShape<Shapes>
  /**
   * Resolves when a collection shows what the app's own server function wrote in this transaction, or
   * when it does not sync. For writes to the app's own tables; those of the actions are waited for.
   *
   * @param txid `pg_current_xact_id()::xid::text` of the transaction, as a number
   * @throws SessionDbError `sync_timeout` after `syncTimeoutMs`
   */
  confirm(collection: { readonly id: string }, txid: number): Promise<void>
  readonly actions: SessionActions
  /**
   * How a collection's sync is doing, to subscribe to.
   *
   * @throws SessionDbError `invalid` for a collection from elsewhere, such as a live query
   */
  status(collection: { readonly id: string }): SyncStatusStore
  /** Lets streams that stopped, for example after a 401, go on from where they were. */
  restart(): void
  /**
   * Empties the collections of this user at once, here and in every other tab, and asks for nothing
   * more until `restart()`. Call it where the app ends the user's session on the server.
   */
  signOut(): Promise<void>
  /** Stops all syncing and empties the collections. They start again when they are used again. */
  cleanup(): Promise<void>
}
