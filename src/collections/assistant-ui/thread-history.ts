import {
  type AssistantMessage,
  fromAssistantMessage,
  type StoredMessage,
  toAssistantMessage,
  withContent,
} from '../../chat/assistant-message.ts'
import { storableObject } from '../../chat/storable.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatMessage } from '../../schema/chat-message.ts'
import { isJsonObject, isSameJson, type JsonObject, type JsonValue } from '../../schema/fields.ts'
import { toUIMessage } from '../../schema/streamed-message.ts'
import { stored } from '../actions/stored.ts'
import { createId } from '../create-id.ts'
import type { SessionCollections } from '../session-collections.ts'
import type { ThreadRef } from '../sources.ts'
import { findThread } from './thread-list.ts'

/** A thread of assistant-ui's list, as `useAui().threadListItem` returns it. */
export interface AssistantThreadItem {
  getState(): { readonly remoteId?: string | undefined }
  /** Creates the thread, if it isn't yet. */
  initialize(): Promise<{ readonly remoteId: string }>
}

/** The options of `createThreadHistoryAdapter`. */
export interface ThreadHistoryOptions {
  /** The thread, or a function that returns the one of assistant-ui's thread list. */
  readonly thread: ThreadRef | (() => AssistantThreadItem)
  /** The number of messages to load, at least, the newest first. Default 200. */
  readonly last?: number
}

/** A message and the one before it. */
export interface AssistantHistoryItem<Message> {
  readonly message: Message
  readonly parentId: string | null
}

/** The messages of a thread, parents before children, and the end of the branch that shows. */
export interface AssistantHistory<Message> {
  headId: string | null
  messages: { message: Message; parentId: string | null }[]
}

/** How a runtime stores its messages (`MessageFormatAdapter`). */
export interface AssistantMessageFormat<Message, Stored extends Record<string, unknown>> {
  readonly format: string
  encode(item: { parentId: string | null; message: Message }): Stored
  decode(stored: { id: string; parent_id: string | null; format: string; content: Stored }): {
    parentId: string | null
    message: Message
  }
  getId(message: Message): string
}

/** The functions that a history has for messages of every form. */
export interface AssistantHistoryStorage<Message> {
  load(): Promise<AssistantHistory<Message>>
  append(item: AssistantHistoryItem<Message>): Promise<void>
  update(item: AssistantHistoryItem<Message>): Promise<void>
  delete(items: readonly AssistantHistoryItem<Message>[]): Promise<void>
}

/** The `ThreadHistoryAdapter` of assistant-ui over the collections. */
export interface SessionThreadHistory<Message> extends AssistantHistoryStorage<Message> {
  /** For runtimes over the AI SDK. */
  withFormat<Formatted, Stored extends Record<string, unknown>>(
    format: AssistantMessageFormat<Formatted, Stored>,
  ): AssistantHistoryStorage<Formatted>
}

type Collections = Pick<SessionCollections, 'actions' | 'thread' | 'session'>

/** How messages of one form are stored and read. */
interface Form<Message> {
  readonly id: (message: Message) => string
  readonly toRow: (item: AssistantHistoryItem<Message>) => StoredMessage
  /** Returns the metadata of a row that its changes keep. */
  readonly keeps: (row: ChatMessage) => JsonObject
  readonly fromRow: (
    row: ChatMessage,
    parentId: string | null,
  ) => { message: Message; parentId: string | null }
}

/**
 * Creates the `ThreadHistoryAdapter` of assistant-ui. It loads a thread with its branches, and stores each message that
 * the runtime adds, changes or deletes. Messages are stored as AI SDK parts, so that models and other windows can read
 * them; assistant-ui gets back what it has stored. A message that is stored already, as by `createChatTransport`, is
 * not stored twice.
 *
 * A browser may only write the roles in `messageRoles` of `createWriteHandler`: a runtime that stores answers itself
 * needs `['user', 'assistant']`.
 *
 * @param db the collections of `createSessionCollections`
 * @throws SessionDbError from its functions, like the actions
 * @example
 * const thread = { id: threadId, sessionId }
 * const history: ThreadHistoryAdapter = createThreadHistoryAdapter(db, { thread })
 * const runtime = useLocalRuntime(model, { adapters: { history } })
 */
export function createThreadHistoryAdapter<Message extends AssistantMessage = AssistantMessage>(
  db: Collections,
  { thread: given, last = 200 }: ThreadHistoryOptions,
): SessionThreadHistory<Message> {
  /** The ids of messages that the runtime has under an id of its own, which is too short to be unique. */
  const storedIds = new Map<string, string>()

  /** Returns the thread; undefined for a new one, unless it is to be created. */
  async function find(create: boolean): Promise<ThreadRef | undefined> {
    if (typeof given !== 'function') return given
    const item = given()
    const { remoteId } = create ? await item.initialize() : item.getState()
    return remoteId === undefined ? undefined : findThread(db, remoteId)
  }

  async function open({ id, sessionId }: ThreadRef) {
    const { messages } = db.thread({ id, sessionId }, { last })
    const { threads } = db.session(sessionId)
    await Promise.all([messages.preload(), threads.preload()])
    return { messages, headId: threads.get(id)?.headId ?? null }
  }

  async function existing() {
    const thread = await find(true)
    if (thread === undefined) throw new SessionDbError('not_found', 'This thread does not exist.')
    return { thread, ...(await open(thread)) }
  }

  let before: Promise<unknown> = Promise.resolve()
  /** Does one write after another: an answer needs the id that its question has got. */
  function inOrder<Result>(write: () => Promise<Result>): Promise<Result> {
    const result = before.then(write)
    before = result.catch(() => {})
    return result
  }

  const storedId = (id: string) => storedIds.get(id) ?? id

  function storage<M>(form: Form<M>): AssistantHistoryStorage<M> {
    async function write(item: AssistantHistoryItem<M>): Promise<void> {
      const { thread, messages } = await existing()
      const id = form.id(item.message)
      const row = messages.get(storedId(id))
      const content = form.toRow(item)
      if (row !== undefined) {
        const { role: _, ...changes } = content
        const changed = { ...changes, metadata: { ...form.keeps(row), ...content.metadata } }
        if (row.status !== 'streaming' && !isStored(row, changed)) {
          await stored(db.actions.updateMessage(row.id, changed))
        }
        return
      }
      const parentId = item.parentId === null ? topOf(messages.values()) : storedId(item.parentId)
      const { id: threadId, sessionId } = thread
      const value = { id: createId(), threadId, sessionId, parentId, ...content }
      storedIds.set(id, value.id)
      try {
        await stored(db.actions.appendMessage(value))
      } catch (error) {
        storedIds.delete(id)
        throw error
      }
    }
    return {
      async load() {
        const thread = await find(false)
        if (thread === undefined) return { headId: null, messages: [] }
        const { messages, headId } = await open(thread)
        // An answer that is being written would look broken off.
        const rows = [...messages.values()].filter(({ status }) => status !== 'streaming')
        const parents = new Map([...messages.values()].map(({ id, parentId }) => [id, parentId]))
        const shown = new Set(rows.map(({ id }) => id))
        const nearestShown = (id: string | null): string | null =>
          id === null || shown.has(id) ? id : nearestShown(parents.get(id) ?? null)
        return {
          headId: nearestShown(headId),
          messages: rows
            .sort(byPosition)
            .map((row) => form.fromRow(row, nearestShown(row.parentId))),
        }
      },
      append: (item) => inOrder(() => write(item)),
      update: (item) => inOrder(() => write(item)),
      delete: (items) =>
        inOrder(async () => {
          const { messages } = await existing()
          for (const { message } of items) {
            const id = storedId(form.id(message))
            if (!messages.has(id)) continue
            await stored(db.actions.deleteMessage(id), { orElse: 'not_found' })
          }
        }),
    }
  }

  return {
    ...storage<Message>({
      id: ({ id }) => id,
      toRow: ({ message }) => fromAssistantMessage(message),
      keeps: streamOf,
      // The type parameter is assistant-ui's own type of what this yields.
      fromRow: (row, parentId) => ({ message: toAssistantMessage(row) as Message, parentId }),
    }),
    withFormat: (format) =>
      storage({
        id: (message) => format.getId(message),
        toRow: ({ message, parentId }) => fromEncoded(format.encode({ message, parentId })),
        keeps: ({ metadata }) => metadata,
        fromRow(row, parentId) {
          const { id, ...content } = toUIMessage(row)
          const entry = { id, parent_id: parentId, format: format.format }
          return format.decode({ ...entry, content: content as never })
        },
      }),
  }
}

/** The message that a first one follows: where only the last messages are loaded, the one before those. */
function topOf(rows: Iterable<ChatMessage>): string | null {
  const [first] = [...rows].sort(byPosition)
  return first?.parentId ?? null
}

function isStored(row: ChatMessage, changed: Omit<StoredMessage, 'role'>): boolean {
  const { content, parts, metadata } = changed
  return isSameJson([row.content, row.parts, row.metadata], [content, parts, metadata])
}

/** The server's notes about the stream of an answer, which changes keep. */
function streamOf({ metadata: { stream } }: ChatMessage): JsonObject {
  return stream === undefined ? {} : { stream }
}

/** Reads a message of the AI SDK, as a format encodes it. */
function fromEncoded(encoded: Record<string, unknown>): StoredMessage {
  const { role, parts, metadata } = storableObject(encoded, () => {})
  const json = Array.isArray(parts) ? (parts as readonly JsonValue[]).filter(isJsonObject) : []
  return {
    role: role === 'assistant' || role === 'system' ? role : 'user',
    ...withContent(json),
    status: 'complete',
    metadata: isJsonObject(metadata) ? metadata : {},
  }
}

function byPosition(one: ChatMessage, other: ChatMessage): number {
  return one.position - other.position
}
