import type { ChatMessage, ChatMessageInsert } from '../schema/chat-message.ts'
import type { ChatThread, ChatThreadInsert } from '../schema/chat-thread.ts'
import type { Session } from '../schema/session.ts'
import type { SessionGrant, SessionGrantInsert } from '../schema/session-grant.ts'
import type { CollectionName } from '../schema/tables.ts'
import type { TimelineEvent, TimelineEventInsert } from '../schema/timeline-event.ts'
import type { sessionShapes } from '../shapes/session-shapes.ts'
import type { SetMutation } from '../writes/batch.ts'
import { createScopeRegistry, type ScopeRegistry } from './scope-registry.ts'
import { createAudienceRoute } from './sync/audience-route.ts'
import { type AudienceUnion, createAudienceUnion } from './sync/audience-union.ts'
import type { StreamOptions } from './sync/stream-options.ts'
import { type CreateSyncOverlay, overlayStreams } from './sync/streamed-messages.ts'
import type { SyncStream, TableRef } from './sync/sync-stream.ts'
import {
  createSyncedCollection,
  type MutableOptions,
  type RowCollection,
  type SyncedCollection,
  type SyncedRow,
} from './sync/synced-collection.ts'
import { trackTails } from './sync/thread-tails.ts'
import {
  createThreadWindow,
  type ThreadWindow,
  type ThreadWindowOptions,
} from './windows/thread-window.ts'

/** A new row of a collection: the id and the columns known from the collection may be left out. */
export type InsertOf<Insert extends object, Known extends keyof Insert = never> = Omit<
  Insert,
  'id' | Known
> &
  Partial<Pick<Insert, Known | Extract<keyof Insert, 'id'>>>

/** The collections of one session. */
export interface SessionScope {
  readonly timeline: RowCollection<TimelineEvent, InsertOf<TimelineEventInsert, 'sessionId'>>
  readonly threads: RowCollection<ChatThread, InsertOf<ChatThreadInsert, 'sessionId'>>
  readonly messages: RowCollection<ChatMessage, InsertOf<ChatMessageInsert>>
  /**
   * The grants of the session: all of them for its owner and editors. Others see their own, which tell
   * them their role and whether they can leave.
   */
  readonly grants: RowCollection<SessionGrant, InsertOf<SessionGrantInsert, 'sessionId'>>
}

/** Identifies a thread and its session. A thread's row is one. */
export type ThreadRef = Pick<ChatThread, 'id' | 'sessionId'>

/** The collections of one thread. */
export interface ThreadScope {
  readonly messages: RowCollection<ChatMessage, InsertOf<ChatMessageInsert, 'threadId'>>
}

/** A thread of which only part is loaded. */
export interface ThreadWindowScope extends ThreadScope, ThreadWindow {}

/** The collections of one session, with their streams. */
export interface SessionSources {
  readonly scope: SessionScope
  readonly timeline: SyncedCollection<TimelineEvent>
  readonly threads: SyncedCollection<ChatThread>
  readonly messages: SyncedCollection<ChatMessage>
  readonly grants: SyncedCollection<SessionGrant>
}

/** The collections of one thread, with their streams. */
export interface ThreadSources {
  readonly threadId: string
  readonly scope: ThreadScope
  readonly messages: SyncedCollection<ChatMessage>
}

/** The window of one thread, with its streams. */
export interface WindowSources extends ThreadSources {
  readonly scope: ThreadWindowScope
}

/** A collection of the user's own rows, which are written by `set`. */
export interface OwnRows {
  readonly source: SyncStream
  /** Shows a mutation if it concerns these rows, and returns the streams that will bring it. */
  show(mutation: SetMutation, now: Date): readonly SyncStream[]
}

/** All collections: the sessions, and those of each session and thread requested. */
export interface Sources {
  /** The prefix of the ids of all collections. */
  readonly prefix: string
  readonly sessions: AudienceUnion<Session>
  /** The sessions, after the unions that functions have added. */
  readonly unions: Pick<AudienceUnion<Session>, keyof SyncStream | 'refresh'>[]
  /** The collections that functions beside `createSessionCollections` have added. */
  readonly added: {
    readonly threads: SyncedCollection<ChatThread>[]
    /** Those that sync. */
    readonly own: Set<OwnRows>
  }
  readonly bySession: ScopeRegistry<SessionSources>
  /** By `threadKey`. */
  readonly byThread: ScopeRegistry<ThreadSources>
  /** By `threadKey`. */
  readonly byWindow: ScopeRegistry<WindowSources>
  /** Creates a collection of part of a session's timeline, which the caller must clean up. */
  timelineWindow(sessionId: string, fromSeq: number, toSeq: number): SyncedCollection<TimelineEvent>
  /** The means to add collections. */
  readonly streams: StreamOptions
  readonly mutable: (table: TableRef) => MutableOptions
  /** Must be called with each added collection. */
  watch(source: SyncStream): void
}

/** The tables of the shapes that collections hold. */
const TABLES = {
  sessions: 'sessions',
  'session-grants': 'sessionGrants',
  'session-timeline': 'timelineEvents',
  'session-threads': 'chatThreads',
  'session-messages': 'chatMessages',
  'thread-messages': 'chatMessages',
} as const satisfies Partial<Record<keyof typeof sessionShapes, CollectionName>>

/** Messages grow while they stream, and new ones go to the end of their thread. */
const overlayMessages: CreateSyncOverlay = (params, options, source) =>
  overlayStreams(trackTails(params), options, source)

/** The parameters of a shape of what is below a session. */
type SessionParams = Readonly<Record<string, string>> & { readonly sessionId: string }

let instances = 0

/**
 * Creates the sources of one `createSessionCollections`.
 *
 * @param mutable returns the options that make the collection of a table writable
 * @param onRows called when a collection starts to sync, and when it holds its rows
 */
export function createSources(
  options: StreamOptions,
  mutable: (table: TableRef) => MutableOptions,
  onRows: (source: SyncStream) => void,
): Sources {
  instances += 1
  const prefix = `session-db-${instances}`

  const sessions = createAudienceUnion<Session>(
    {
      collectionId: `${prefix}/sessions`,
      shape: 'sessions',
      mutable: mutable({ name: TABLES.sessions, params: {} }),
    },
    options,
  )
  watchRows(sessions, onRows)

  const routes = createScopeRegistry((sessionId) =>
    createAudienceRoute(sessionId, sessions.audiences),
  )

  const make = <Row extends SyncedRow>(
    shape: Exclude<keyof typeof TABLES, 'sessions'>,
    params: SessionParams,
    onLiveChange: (live: boolean) => void,
    overlay?: CreateSyncOverlay,
  ) => {
    const collectionId = [prefix, shape, ...Object.values(params)].join('/')
    // Who sees which grants depends on the user, so that shape is each user's own.
    const route = shape === 'session-grants' ? {} : { route: routes.get(params.sessionId) }
    const source: SyncedCollection<Row> = createSyncedCollection<Row>(
      { collectionId, shape, params, key: ['id'], onLiveChange, ...route },
      options,
      mutable({ name: TABLES[shape], params }),
      overlay,
    )
    watchRows(source, onRows)
    return source
  }

  let windows = 0

  /** Creates a collection that is cleaned up by its window. */
  function part<Row extends SyncedRow>(
    shape: string,
    params: SessionParams,
    overlay?: CreateSyncOverlay,
  ): SyncedCollection<Row> {
    windows += 1
    const collectionId = `${prefix}/${shape}/${windows}`
    return createSyncedCollection<Row>(
      { collectionId, shape, params, key: ['id'], route: routes.get(params.sessionId) },
      options,
      undefined,
      overlay,
    )
  }

  const bySession: Sources['bySession'] = createScopeRegistry((sessionId, onLive) => {
    const timeline = make<TimelineEvent>('session-timeline', { sessionId }, onLive)
    const threads = make<ChatThread>('session-threads', { sessionId }, onLive)
    const messages = make<ChatMessage>('session-messages', { sessionId }, onLive, overlayMessages)
    const grants = make<SessionGrant>('session-grants', { sessionId }, onLive)
    const scope = {
      timeline: timeline.collection,
      threads: threads.collection,
      messages: messages.collection,
      grants: grants.collection,
    }
    return { scope, timeline, threads, messages, grants }
  })

  return {
    prefix,
    sessions,
    unions: [sessions],
    added: { threads: [], own: new Set() },
    streams: options,
    mutable,
    watch: (source) => watchRows(source, onRows),
    bySession,
    byThread: createScopeRegistry((key, onLive) => {
      const { id: threadId, sessionId } = JSON.parse(key) as ThreadRef
      const params = { sessionId, threadId }
      const messages = make<ChatMessage>('thread-messages', params, onLive, overlayMessages)
      return { threadId, scope: { messages: messages.collection }, messages }
    }),
    byWindow: createScopeRegistry((key, onLiveChange) => {
      const { id: threadId, sessionId, last } = JSON.parse(key) as ThreadRef & ThreadWindowOptions
      windows += 1
      const params = { sessionId, threadId }
      const table = { name: 'chatMessages', params } as const
      const { messages, window } = createThreadWindow(
        {
          collectionId: `${prefix}/thread-window/${windows}`,
          threadId,
          table,
          mutable: mutable(table),
          ...(options.gcTime !== undefined && { gcTime: options.gcTime }),
          threads: bySession.get(sessionId).threads,
          openRange: (from, to) =>
            part(
              'thread-messages-window',
              {
                ...params,
                fromPosition: String(from),
                ...(to !== undefined && { toPosition: String(to) }),
              },
              overlayStreams,
            ),
          openMessage: (messageId) => part('thread-message', { ...params, messageId }),
          onLiveChange,
        },
        { last },
      )
      watchRows(messages, onRows)
      return { threadId, scope: { ...window, messages: messages.collection }, messages }
    }),
    timelineWindow: (sessionId, fromSeq, toSeq) =>
      part('session-timeline-window', {
        sessionId,
        fromSeq: String(fromSeq),
        toSeq: String(toSeq),
      }),
  }
}

/** Returns the key of a thread's collections, or of a window of it. */
export function threadKey({ id, sessionId }: ThreadRef, last?: number): string {
  return JSON.stringify({ id, sessionId, last })
}

/** The collections that sync now, by content: the only ones a write may touch. */
export interface LiveSources {
  sessions(): SyncedCollection<Session>[]
  grants(sessionId?: string): SyncedCollection<SessionGrant>[]
  timelines(sessionId?: string): SyncedCollection<TimelineEvent>[]
  threads(sessionId?: string): SyncedCollection<ChatThread>[]
  messages(): SyncedCollection<ChatMessage>[]
  messagesOf(threadId: string, sessionId: string | undefined): SyncedCollection<ChatMessage>[]
  ownRows(): OwnRows[]
}

/** Returns the live part of `sources`. */
export function liveSources(sources: Sources): LiveSources {
  const { sessions, bySession, byThread, byWindow, added } = sources
  return {
    sessions: () => onlyLive([sessions]),
    grants: (sessionId) => onlyLive(bySession.live(sessionId).map(({ grants }) => grants)),
    timelines: (sessionId) => onlyLive(bySession.live(sessionId).map(({ timeline }) => timeline)),
    threads: (sessionId) =>
      onlyLive([...bySession.live(sessionId).map(({ threads }) => threads), ...added.threads]),
    ownRows: () => [...added.own],
    messages: () =>
      onlyLive(
        [...bySession.live(), ...byThread.live(), ...byWindow.live()].map(
          ({ messages }) => messages,
        ),
      ),
    messagesOf(threadId, sessionId) {
      const ofSession = sessionId === undefined ? [] : bySession.live(sessionId)
      const ofThread = [...byThread.live(), ...byWindow.live()].filter(
        (thread) => thread.threadId === threadId,
      )
      return onlyLive([...ofSession, ...ofThread].map(({ messages }) => messages))
    },
  }
}

function onlyLive<Row extends SyncedRow>(
  sources: SyncedCollection<Row>[],
): SyncedCollection<Row>[] {
  return sources.filter((source) => source.isLive())
}

/** Calls `onRows` when a collection starts to sync and when it holds its rows. */
function watchRows(source: SyncStream, onRows: (source: SyncStream) => void): void {
  let seen = source.status.get().status
  source.status.subscribe(() => {
    const { status } = source.status.get()
    if (status === seen) return
    seen = status
    if (status === 'loading' || status === 'ready') onRows(source)
  })
}
