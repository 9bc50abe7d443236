import type { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import type { ChatThread } from '../schema/chat-thread.ts'
import type { Session, SessionInsert } from '../schema/session.ts'
import type { SessionGrant } from '../schema/session-grant.ts'
import type { TimelineEvent } from '../schema/timeline-event.ts'
import type { ShapeRows } from '../shapes/shape-rows.ts'
import type { WriteAdapter } from '../writes/adapter.ts'
import type { RefreshSignIn } from '../writes/sign-in.ts'
import type { WriteRetryOptions } from '../writes/with-retries.ts'
import type { CollectionHandlers, PersistTransaction } from './actions/native-mutations.ts'
import type { SessionActions } from './actions/session-actions.ts'
import type { AppShapeName, AppShapeRow, AppShapes, GetAppShape } from './app-shapes.ts'
import type { WriterIdentity } from './optimistic/optimistic-rows.ts'
import type { Outbox } from './outbox/outbox.ts'
import type { Persistence } from './persistence/persistence.ts'
import type {
  InsertOf,
  SessionScope,
  ThreadRef,
  ThreadScope,
  ThreadWindowScope,
} from './sources.ts'
import type { StreamOptions } from './sync/stream-options.ts'
import type { SyncStatusStore } from './sync/sync-status.ts'
import type { RowCollection } from './sync/synced-collection.ts'
import type { ThreadWindowOptions } from './windows/thread-window.ts'

/** The registry of an app without shapes of its own. */
export type NoShapes = Readonly<Record<never, never>>

/** The options of `createSessionCollections`. */
export interface SessionCollectionsOptions<Shapes extends AppShapes = NoShapes> {
  /**
   * Base URL of the app's shape proxy, for example `/api/shapes` or `https://app.example/api/shapes`.
   * A relative one is resolved against the page's origin.
   */
  readonly electricUrl: string
  /** Hands a batch to the server: a server function or `createHttpWriteAdapter({ url })`. */
  readonly writeAdapter: WriteAdapter
  /**
   * How a batch is retried while the server cannot be reached or is overloaded; false for never.
   * The server applies it once, however often it is sent. Default: 4 attempts within a few seconds.
   */
  readonly writeRetries?: WriteRetryOptions | false
  /**
   * Handlers of TanStack DB mutations, by collection: replace or wrap how the library's rows are
   * written, and make collections of the app's own shapes writable.
   *
   * @example
   * createSessionCollections({
   *   ...options,
   *   handlers: {
   *     chatMessages: { onInsert: async ({ next }) => { await next(); track('message') } },
   *     projects: { onUpdate: ({ transaction }) => saveProjects({ data: transaction.mutations }) },
   *   },
   * })
   */
  readonly handlers?: MutationHandlers<NoInfer<Shapes>>
  /** The app's own shapes, as passed to the proxy: `shape` returns their collections. */
  readonly shapes?: Shapes
  /** The signed-in user. Fills optimistic rows until the server's arrive; the server never trusts it. */
  readonly identity?: WriterIdentity
  /** URL of the app's upload route, absolute or relative to the page, for `uploadSession`. */
  readonly uploadUrl?: string
  /** Headers of shape requests and uploads: texts, or functions called for every request. */
  readonly headers?: NonNullable<StreamOptions['headers']>
  /** Replaces `fetch` for shape requests and uploads. */
  readonly fetchClient?: typeof fetch
  /**
   * Shares connections between live requests: at most two per browser profile instead of one per
   * collection and tab. Default true. Needs only `createShapeProxy` on the server; where the server
   * or the browser lacks support, each live request uses its own connection.
   */
  readonly shareLiveConnections?: boolean
  /**
   * Called when the server answers 401, once for all streams, writes and uploads: sign the user in
   * again, and return the headers to use from now on, or nothing if a cookie or `headers` has changed.
   * Refused requests are then repeated. If it rejects or is missing, streams stop (see `status`).
   */
  readonly onUnauthenticated?: RefreshSignIn
  /** Called after the user has signed out, here or in another tab, and the collections are empty. */
  readonly onSignedOut?: () => void
  /**
   * Called with the error of every failed action and of every stream that an error has ended. Without
   * it, each code is reported once on the console during development (`NODE_ENV=development`).
   */
  readonly onError?: (error: SessionDbError) => void
  /** Keeps writes on this device while the server cannot be reached: `createOutbox({ identity })`. */
  readonly outbox?: Outbox
  /** Shows rows of the last visit immediately after a reload: `createPersistence({ identity })`. */
  readonly persistence?: Persistence
  /**
   * Rows to start collections with, read on the server by `store.readRows`: the page has them in its
   * HTML and from the first render on. The streams replace them when they have caught up.
   */
  readonly initialRows?: readonly ShapeRows[]
  /**
   * True while the page is rendered on a server: no stream is started and nothing is sent. Default: true
   * where a relative `electricUrl` can't be resolved, as there is no page.
   */
  readonly ssr?: boolean
  /** How long an answered write may take to come back through the stream, in ms. Default 10,000. */
  readonly syncTimeoutMs?: number
  /** How long a collection without subscribers keeps syncing, in ms. Default 300,000. */
  readonly gcTime?: number
}

/** Mutation handlers by table of the library and by name of the app's own shapes. */
export type MutationHandlers<Shapes extends AppShapes = NoShapes> = {
  readonly sessions?: CollectionHandlers<Session>
  readonly sessionGrants?: CollectionHandlers<SessionGrant>
  readonly timelineEvents?: CollectionHandlers<TimelineEvent>
  readonly chatThreads?: CollectionHandlers<ChatThread>
  readonly chatMessages?: CollectionHandlers<ChatMessage>
} & (string extends keyof Shapes
  ? unknown
  : { readonly [Name in AppShapeName<Shapes>]?: CollectionHandlers<AppShapeRow<Shapes[Name]>> })

/** Sessions, timelines, threads and messages that this user may see, live. */
export interface SessionCollections<Shapes extends AppShapes = NoShapes> {
  readonly sessions: RowCollection<Session, InsertOf<SessionInsert>>
  /** Returns one session's collections: the same object for the same id, while held or syncing. */
  session(sessionId: string): SessionScope
  /**
   * Returns a thread's collections: the same object for the same thread, while held or syncing.
   *
   * @param thread id of the thread and of its session, or the thread's row
   * @example
   * const { messages } = db.thread({ id: threadId, sessionId })
   */
  thread(thread: ThreadRef): ThreadScope
  /**
   * Returns the window of a thread, which opens as fast for a thread of any length: it loads the last messages, and
   * older ones on demand. The same object for the same thread and options, while held or syncing.
   *
   * @param options.last the number of messages to load first, at least
   * @throws SessionDbError `invalid` for another `last` than a whole number of 1 or more
   * @example
   * const { messages, loadOlder } = db.thread({ id: threadId, sessionId }, { last: 50 })
   */
  thread(thread: ThreadRef, options: ThreadWindowOptions): ThreadWindowScope
  /**
   * Returns the collection of one of the app's own shapes: the same object for the same parameters,
   * while held or syncing.
   *
   * @throws SessionDbError `invalid` for a name or parameters that `shapes` does not have
   * @example
   * const projects = db.shape('projects', { folderId })
   */
  readonly shape: GetAppShape<Shapes>
  /**
   * Resolves when a collection shows a transaction of the app's own server function, or immediately
   * if it does not sync. For writes to the app's own tables; actions wait by themselves.
   *
   * @param txid `pg_current_xact_id()::xid::text` of the transaction, as a number
   * @throws SessionDbError `sync_timeout` after `syncTimeoutMs`
   */
  confirm(collection: { readonly id: string }, txid: number): Promise<void>
  /**
   * Persists a TanStack DB transaction over several collections as one batch: all or nothing. Rows of
   * collections with a handler of their own are passed to that handler instead.
   *
   * @example
   * const transaction = createTransaction({ mutationFn: db.mutationFn })
   * transaction.mutate(() => {
   *   db.session(sessionId).threads.insert({ id: threadId, mode: 'session', title })
   *   db.thread({ id: threadId, sessionId }).messages.insert({ role: 'user', content })
   * })
   * await transaction.isPersisted.promise
   */
  readonly mutationFn: PersistTransaction
  readonly actions: SessionActions
  /**
   * Returns the sync status of a collection, to subscribe to.
   *
   * @throws SessionDbError `invalid` for other collections, such as a live query
   */
  status(collection: { readonly id: string }): SyncStatusStore
  /** Resumes streams that have stopped, for example after a 401, from where they were. */
  restart(): void
  /**
   * Empties the collections of this user immediately, here and in every other tab, and sends no
   * requests until `restart()`. Call it where the app ends the user's session on the server.
   */
  signOut(): Promise<void>
  /** Stops all syncing and empties the collections. They start again when they are next used. */
  cleanup(): Promise<void>
}
