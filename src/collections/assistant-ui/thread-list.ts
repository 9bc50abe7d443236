import { storableObject } from '../../chat/storable.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatThread } from '../../schema/chat-thread.ts'
import type { JsonObject } from '../../schema/fields.ts'
import { stored } from '../actions/stored.ts'
import { chatList } from '../chat-list.ts'
import { createId } from '../create-id.ts'
import type { SessionCollections } from '../session-collections.ts'

/** The options of `createThreadListAdapter`. */
export interface ThreadListOptions {
  /** The title of a new thread, until it gets its own. Default 'New chat'. */
  readonly title?: string
  /**
   * Returns the title of a thread after its first message: a server function that calls `store.suggestTitle`. Without
   * it, threads keep their title until they are renamed.
   */
  readonly generateTitle?: (threadId: string) => Promise<string>
}

/** A thread, as assistant-ui's list has it. */
export interface AssistantThreadMetadata {
  readonly status: 'regular' | 'archived'
  readonly remoteId: string
  /** The session of the thread. */
  readonly externalId: string
  /** Undefined for a thread that has not got its own title yet. */
  readonly title?: string
  readonly lastMessageAt?: Date
  /** The metadata of the thread. */
  readonly custom: Record<string, unknown>
}

/** A chunk of assistant-ui's stream of a title. */
export type AssistantTitleChunk = { readonly path: readonly number[] } & (
  | { readonly type: 'part-start'; readonly part: { readonly type: 'text' } }
  | { readonly type: 'text-delta'; readonly textDelta: string }
  | { readonly type: 'part-finish' }
)

/** The `RemoteThreadListAdapter` of assistant-ui over the collections. */
export interface SessionThreadList {
  list(): Promise<{ threads: AssistantThreadMetadata[] }>
  fetch(threadId: string): Promise<AssistantThreadMetadata>
  initialize(
    localId: string,
    options?: { custom?: Record<string, unknown> | undefined },
  ): Promise<{ remoteId: string; externalId: string }>
  rename(threadId: string, title: string): Promise<void>
  updateCustom(threadId: string, custom: Record<string, unknown> | undefined): Promise<void>
  archive(threadId: string): Promise<void>
  unarchive(threadId: string): Promise<void>
  delete(threadId: string): Promise<void>
  generateTitle(threadId: string): Promise<ReadableStream<AssistantTitleChunk>>
}

type Collections = Pick<SessionCollections, 'actions'>

/**
 * Creates the `RemoteThreadListAdapter` of assistant-ui: the chats of all sessions that the user sees, those with the
 * latest activity first. A new chat is a thread in a session of its own, so that it can be shared by itself.
 *
 * assistant-ui reads the list once. For one that changes with other windows, show `chatList(db)`.
 *
 * @param db the collections of `createSessionCollections`
 * @throws SessionDbError from its functions, like the actions; `not_found` for a thread that the user doesn't see
 * @example
 * const adapter = createThreadListAdapter(db, { generateTitle: (id) => titleThread({ data: id }) })
 * const runtime = useRemoteThreadListRuntime({ adapter, runtimeHook })
 */
export function createThreadListAdapter(
  db: Collections,
  { title = 'New chat', generateTitle }: ThreadListOptions = {},
): SessionThreadList {
  const { threads } = chatList(db)

  function toMetadata(thread: ChatThread): AssistantThreadMetadata {
    const { id, sessionId, status, lastMessageAt, metadata } = thread
    return {
      status: status === 'archived' ? 'archived' : 'regular',
      remoteId: id,
      externalId: sessionId,
      ...(thread.title !== title && { title: thread.title }),
      ...(lastMessageAt !== null && { lastMessageAt }),
      custom: metadata,
    }
  }

  return {
    async list() {
      await threads.preload()
      const rows = [...threads.values()].sort((one, other) => activityOf(other) - activityOf(one))
      return { threads: rows.map(toMetadata) }
    },
    fetch: async (threadId) => toMetadata(await findThread(db, threadId)),
    async initialize(_, { custom } = {}) {
      const id = createId()
      const thread = { id, sessionId: id, mode: 'session', title, metadata: json(custom) } as const
      await stored(
        db.actions.write([
          { collection: 'sessions', type: 'insert', value: { id, title } },
          { collection: 'chatThreads', type: 'insert', value: thread },
        ]),
      )
      return { remoteId: id, externalId: id }
    },
    rename: (threadId, newTitle) => stored(db.actions.renameThread(threadId, newTitle)),
    updateCustom: (id, custom) =>
      stored(
        db.actions.write([
          { collection: 'chatThreads', type: 'update', id, changes: { metadata: json(custom) } },
        ]),
      ),
    archive: (threadId) => stored(db.actions.archiveThread(threadId)),
    unarchive: (threadId) => stored(db.actions.activateThread(threadId)),
    async delete(threadId) {
      const { sessionId } = await findThread(db, threadId)
      const { actions } = db
      // A session that `initialize` has created for this thread only.
      await stored(
        sessionId === threadId ? actions.deleteSession(sessionId) : actions.deleteThread(threadId),
      )
    },
    async generateTitle(threadId) {
      const text =
        (await generateTitle?.(threadId)) ?? toMetadata(await findThread(db, threadId)).title
      return streamOf(text)
    },
  }
}

/** @throws SessionDbError `not_found` for a thread that the user doesn't see */
export async function findThread(db: Collections, id: string): Promise<ChatThread> {
  const { threads } = chatList(db)
  await threads.preload()
  const thread = threads.get(id)
  if (thread === undefined) throw new SessionDbError('not_found', 'This thread does not exist.')
  return thread
}

function streamOf(text: string | undefined): ReadableStream<AssistantTitleChunk> {
  return new ReadableStream({
    start(controller) {
      if (text !== undefined) {
        controller.enqueue({ type: 'part-start', path: [], part: { type: 'text' } })
        controller.enqueue({ type: 'text-delta', path: [0], textDelta: text })
        controller.enqueue({ type: 'part-finish', path: [0] })
      }
      controller.close()
    },
  })
}

function activityOf({ lastMessageAt, createdAt }: ChatThread): number {
  return (lastMessageAt ?? createdAt).getTime()
}

function json(custom: Record<string, unknown> | undefined): JsonObject {
  return storableObject(custom ?? {}, () => {})
}
