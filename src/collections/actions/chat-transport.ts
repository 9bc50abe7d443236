import type {
  ApprovalDecision,
  ChatReply,
  ChatRequest,
  ClientToolResult,
} from '../../chat/chat-request.ts'
import { storableObject } from '../../chat/storable.ts'
import { threadPath } from '../../chat/thread-path.ts'
import { createChunkSource, type UIMessageChunkLike } from '../../chat/ui-message-chunks.ts'
import { codeOfStatus, SessionDbError } from '../../errors.ts'
import type { ChatMessage } from '../../schema/chat-message.ts'
import type { JsonObject, JsonValue } from '../../schema/fields.ts'
import { fromWriteFailure, writeFailureSchema } from '../../writes/errors.ts'
import { createId } from '../create-id.ts'
import type { SessionCollections } from '../session-collections.ts'
import { contextOf } from './context.ts'
import { stored } from './stored.ts'

/** The options of `createChatTransport`. */
export interface ChatTransportOptions {
  /** The session of the threads. The `id` of each chat is the id of its thread. */
  readonly sessionId: string
  /** The URL of the route with `createChatHandler`, absolute or relative to the page. Default `/api/chat`. */
  readonly url?: string
  /**
   * Stops the answer on the server when the chat stops reading it. `useChat` does that in `stop()`, and also when its
   * component unmounts. With `false` answers go on until they are complete; call `transport.stop(id)` to stop one.
   * Default true.
   */
  readonly stopOnAbort?: boolean
}

/** A message of the AI SDK, as far as the transport reads it. */
export interface UIMessageInput {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant'
  readonly metadata?: unknown
  readonly parts: readonly { readonly type: string }[]
}

/** A message to send, or an answer to ask for again, as `useChat` passes it. */
export interface SendMessagesOptions {
  readonly trigger: 'submit-message' | 'regenerate-message'
  readonly chatId: string
  readonly messageId: string | undefined
  readonly messages: readonly UIMessageInput[]
  readonly abortSignal: AbortSignal | undefined
  readonly body?: object | undefined
}

/** The `ChatTransport` of the AI SDK 6 and 7 over the collections, for `useChat`. */
export interface SessionChatTransport {
  /** An answer that is read again is sent from its beginning. */
  readonly resumeStreamIsReplay: true
  sendMessages(options: SendMessagesOptions): Promise<ReadableStream<UIMessageChunkLike>>
  reconnectToStream(options: {
    readonly chatId: string
    readonly abortSignal?: AbortSignal | undefined
  }): Promise<ReadableStream<UIMessageChunkLike> | null>
  /** Stops the running answer of a thread, also one that another user asked for. Does nothing if there is none. */
  stop(chatId: string): Promise<void>
}

type Collections = Pick<SessionCollections, 'actions' | 'thread' | 'status'>

/** The number of messages that the transport opens of a thread, at least. */
const LAST = 50

/**
 * Creates the transport of `useChat` of the AI SDK: messages are stored with the actions, answers are written by
 * `createChatHandler` on the server, and the chat reads them from the thread's collection as they grow. So every
 * window sees the conversation, and an answer survives a reload: `resume: true` goes on reading it.
 *
 * - An edit, and another answer, become alternatives beside the first; nothing is overwritten.
 * - Approvals and results of tools in the browser are entered into the stored answer, which is then continued.
 *
 * @param db the collections of `createSessionCollections`
 * @throws SessionDbError from its functions, like the actions and `createChatHandler`
 * @example
 * const transport = createChatTransport(db, { sessionId })
 * const chat = useChat({ id: threadId, messages, transport, resume: true })
 */
export function createChatTransport(
  db: Collections,
  { sessionId, url = '/api/chat', stopOnAbort = true }: ChatTransportOptions,
): SessionChatTransport {
  const { uploads } = contextOf(db)
  /** The stored ids of messages that the chat has under other ids: those it has edited. */
  const storedIds = new Map<string, string>()
  /** Ids of messages that could not be stored. */
  const unsent = new Set<string>()
  /** Answers to be stopped unless the chat reads them again: a component that React mounts twice does. */
  const stopping = new Map<string, ReturnType<typeof setTimeout>>()

  const open = (id: string) => db.thread({ id, sessionId }, { last: LAST })
  const storedId = (id: string) => storedIds.get(id) ?? id

  async function ask(request: ChatRequest): Promise<ChatReply> {
    let response: Response
    try {
      response = await uploads.request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request),
      })
    } catch (cause) {
      const message = 'The question did not reach the server. Check the connection.'
      throw new SessionDbError('unavailable', message, { cause })
    }
    const body: unknown = await response.json().catch(() => undefined)
    if (response.ok && isReply(body)) return body
    const failure = writeFailureSchema.safeParse(body)
    if (failure.success) throw fromWriteFailure(failure.data)
    const code = codeOfStatus(response.status) ?? (response.ok ? 'invalid' : 'unavailable')
    throw new SessionDbError(
      code,
      `${url} answered ${response.status}, not as createChatHandler does. Check the route.`,
    )
  }

  async function store(options: SendMessagesOptions, message: UIMessageInput): Promise<string> {
    const { chatId, messages, messageId } = options
    const isEdit = messageId !== undefined
    const before = messages
      .slice(0, messages.indexOf(message))
      .findLast(({ id }) => !unsent.has(id))
    const edited = isEdit ? open(chatId).messages.get(storedId(message.id))?.parentId : undefined
    const parentId =
      before === undefined ? (isEdit ? (edited ?? null) : undefined) : storedId(before.id)
    const id = isEdit ? createId() : message.id
    unsent.add(message.id)
    await stored(
      db.actions.appendMessage({
        id,
        threadId: chatId,
        sessionId,
        role: 'user',
        ...contentOf(message),
        ...(parentId !== undefined && { parentId }),
      }),
    )
    unsent.delete(message.id)
    if (isEdit) storedIds.set(message.id, id)
    return id
  }

  /** Reads an answer from the collection until it ends. */
  function follow(
    chatId: string,
    { id, version }: ChatReply,
    signal: AbortSignal | undefined,
    known?: readonly JsonValue[],
  ): ReadableStream<UIMessageChunkLike> {
    const { messages } = open(chatId)
    const source = createChunkSource(known)
    const status = db.status(messages)
    let close = () => {}
    return new ReadableStream({
      start(controller) {
        let wasSeen = false
        const end = (last: readonly UIMessageChunkLike[]) => {
          close()
          for (const chunk of last) controller.enqueue(chunk)
          controller.close()
        }
        const read = () => {
          const message = messages.get(id)
          const { connection, lastError } = status.get()
          if (connection === 'stopped') {
            end([{ type: 'error', errorText: lastError?.message ?? 'The connection has ended.' }])
          } else if (message === undefined) {
            if (wasSeen) end([{ type: 'error', errorText: 'The answer was deleted.' }])
          } else if (message.version >= version) {
            wasSeen = true
            const chunks = source.next(message)
            if (message.status === 'streaming')
              for (const chunk of chunks) controller.enqueue(chunk)
            else end(chunks)
          }
        }
        const onAbort = () => {
          end([])
          if (stopOnAbort) stopSoon(chatId, id)
        }
        const subscription = messages.subscribeChanges(read)
        const unsubscribe = status.subscribe(read)
        close = () => {
          close = () => {}
          // A subscription may not end within its own callback.
          queueMicrotask(() => subscription.unsubscribe())
          unsubscribe()
          signal?.removeEventListener('abort', onAbort)
        }
        signal?.addEventListener('abort', onAbort)
        if (signal?.aborted) onAbort()
        else read()
      },
      cancel: () => close(),
    })
  }

  function stopSoon(chatId: string, messageId: string): void {
    clearTimeout(stopping.get(chatId))
    const timer = setTimeout(() => {
      stopping.delete(chatId)
      ask({ type: 'stop', messageId }).catch(contextOf(db).onError)
    }, STOP_DELAY_MS)
    stopping.set(chatId, timer)
  }

  async function running(chatId: string): Promise<ChatMessage | undefined> {
    const { messages } = open(chatId)
    await messages.preload()
    return threadPath([...messages.values()]).findLast(isRunning)
  }

  return {
    resumeStreamIsReplay: true,
    async sendMessages(options) {
      const { trigger, chatId, messageId, messages, abortSignal } = options
      const threadId = chatId
      const last = messages.at(-1)
      const target =
        trigger === 'submit-message' ? (messages.find(({ id }) => id === messageId) ?? last) : last
      if (target === undefined) {
        throw new SessionDbError('invalid', 'There is no message to answer. Send one first.')
      }
      const body = storableObject(options.body ?? {}, () => {})
      if (target.role === 'assistant') {
        const request = { type: 'continue', threadId, messageId: target.id, body } as const
        const reply = await ask({ ...request, ...settledCalls(target) })
        return follow(chatId, reply, abortSignal, asJson(target.parts))
      }
      const isNew = trigger === 'submit-message' || unsent.has(target.id)
      const questionId = isNew ? await store(options, target) : storedId(target.id)
      const reply = await ask({ type: 'answer', threadId, messageId: questionId, body })
      return follow(chatId, reply, abortSignal)
    },
    async reconnectToStream({ chatId, abortSignal }) {
      clearTimeout(stopping.get(chatId))
      const message = await running(chatId)
      // A reading that was given up meanwhile, as when React mounts twice, would stop the answer.
      clearTimeout(stopping.get(chatId))
      return message === undefined ? null : follow(chatId, message, abortSignal)
    },
    async stop(chatId) {
      const message = await running(chatId)
      if (message !== undefined) await ask({ type: 'stop', messageId: message.id })
    },
  }
}

/** Time in which a chat that has stopped reading may read again, in ms. */
const STOP_DELAY_MS = 100

function isRunning({ role, status }: ChatMessage): boolean {
  return role === 'assistant' && status === 'streaming'
}

function isReply(body: unknown): body is ChatReply {
  const { id, version } = Object(body)
  return typeof id === 'string' && typeof version === 'number'
}

/** The content of a user's message. One that is only text has no parts, so that the text is stored once. */
function contentOf({ parts, metadata }: UIMessageInput) {
  const json = asJson(parts)
  const texts = json.flatMap(({ type, text }) => (type === 'text' ? [String(text)] : []))
  const given = typeof metadata === 'object' && metadata !== null
  return {
    content: texts.join(''),
    ...(json.length === 1 && texts.length === 1 ? {} : { parts: json }),
    ...(given && { metadata: storableObject(metadata, () => {}) }),
  }
}

/** The decisions about approvals and the results of tools in a continued answer. The server takes the new ones. */
function settledCalls({ parts }: UIMessageInput) {
  const decisions: ApprovalDecision[] = []
  const results: ClientToolResult[] = []
  for (const { state, toolCallId, approval, output, errorText, providerExecuted } of asJson(
    parts,
  )) {
    if (state === 'approval-responded') {
      const { id, approved, reason } = Object(approval)
      decisions.push({ id, approved, reason })
    }
    if (typeof toolCallId !== 'string' || providerExecuted === true) continue
    if (state === 'output-available') results.push({ toolCallId, output })
    if (state === 'output-error') results.push({ toolCallId, errorText: String(errorText) })
  }
  return { decisions, results }
}

function asJson(parts: UIMessageInput['parts']): JsonObject[] {
  return parts.map((part) => storableObject(part, () => {}))
}
