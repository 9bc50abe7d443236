import type { ChatThread, ChatThreadInsert } from '../schema/chat-thread.ts'
import type { ThreadState } from '../schema/thread-state.ts'
import { commitBatch, type PendingWrite } from './actions/commit-batch.ts'
import { contextOf, type WithContext } from './actions/context.ts'
import { addOwnRows } from './own-rows.ts'
import type { InsertOf } from './sources.ts'
import { createAudienceUnion } from './sync/audience-union.ts'
import type { RowCollection } from './sync/synced-collection.ts'

/** The chats of all sessions that the user sees, for a sidebar. */
export interface ChatList {
  /** The threads of all sessions, live. A thread's `lastMessageAt` is its last activity. */
  readonly threads: RowCollection<ChatThread, InsertOf<ChatThreadInsert>>
  /** The user's read positions and pins, by thread. Threads that the user has never read have no row. */
  readonly states: RowCollection<ThreadState>
  /**
   * Marks a thread as read, up to a message. Earlier marks stay: the position never goes back, also when windows mark
   * concurrently. Nothing is sent for a thread that is read that far already.
   *
   * @param position the position of the last message that is read. Default: the thread's last one.
   */
  markRead(thread: Pick<ChatThread, 'id' | 'sessionId' | 'lastPosition'>, position?: number): void
  /** Pins a thread for this user, or unpins it. */
  pin(thread: Pick<ChatThread, 'id' | 'sessionId'>, isPinned?: boolean): PendingWrite
}

const lists = new WeakMap<object, ChatList>()

/**
 * Returns the list of chats across sessions: the same object for the same `db`. Nothing is fetched until one of
 * its collections is subscribed to or preloaded.
 *
 * @param db the collections of `createSessionCollections`
 * @example
 * const { threads, states, markRead } = chatList(db)
 * const { data } = useLiveQuery((q) =>
 *   q
 *     .from({ thread: threads })
 *     .leftJoin({ state: states }, ({ thread, state }) => eq(thread.id, state.threadId))
 *     .orderBy(({ thread }) => thread.lastMessageAt, 'desc'),
 * )
 */
export function chatList(db: WithContext): ChatList {
  const known = lists.get(db.actions)
  if (known !== undefined) return known
  const context = contextOf(db)
  const { sources, identity } = context
  const threads = createAudienceUnion<ChatThread>(
    {
      collectionId: `${sources.prefix}/threads`,
      shape: 'threads',
      mutable: sources.mutable({ name: 'chatThreads', params: {} }),
    },
    sources.streams,
  )
  sources.added.threads.push(threads)
  sources.unions.unshift(threads)
  sources.watch(threads)
  const states = addOwnRows<ThreadState, 'threadStates'>(sources, {
    shape: 'thread-states',
    params: {},
    key: 'threadId',
    collection: 'threadStates',
    newRow: (threadId, now) => ({
      tenantId: identity.tenantId,
      userId: identity.userId,
      threadId,
      sessionId: threads.collection.get(threadId)?.sessionId ?? '',
      readPosition: 0,
      pinnedAt: null,
      version: 0,
      createdAt: now,
      updatedAt: now,
    }),
    change(row, { readPosition, pinned }, now) {
      if (readPosition !== undefined) row.readPosition = Math.max(row.readPosition, readPosition)
      if (pinned !== undefined) row.pinnedAt = pinned ? (row.pinnedAt ?? now) : null
    },
  })
  const set = (id: string, changes: { readPosition?: number; pinned?: boolean }) =>
    commitBatch(context, [{ collection: 'threadStates', type: 'set', id, changes }])
  const list: ChatList = {
    threads: threads.collection,
    states,
    markRead({ id, lastPosition }, position = lastPosition) {
      const read = states.get(id)?.readPosition ?? 0
      if (position > read) set(id, { readPosition: position })
    },
    pin: ({ id }, pinned = true) => set(id, { pinned }),
  }
  lists.set(db.actions, list)
  return list
}

/**
 * Returns the number of messages after the last one that the user has read. Deleted ones count too.
 *
 * @param state the user's row of `chatList(db).states`; without one, nothing of the thread is read
 * @example
 * unreadCount(thread, states.get(thread.id))
 */
export function unreadCount(
  { lastPosition }: Pick<ChatThread, 'lastPosition'>,
  state: { readonly readPosition?: number | undefined } | undefined,
): number {
  return Math.max(0, lastPosition - (state?.readPosition ?? 0))
}
