import { v7 as uuidv7 } from 'uuid'
import {
  type ApprovalDecision,
  type ChatReply,
  type ChatRequest,
  type ClientToolResult,
  chatRequestSchema,
} from '../../chat/chat-request.ts'
import type { MessageStream } from '../../chat/message-stream.ts'
import type { UIMessageChunks } from '../../chat/pipe-ui-message-stream.ts'
import { resumeStream } from '../../chat/resume-stream.ts'
import { storableObject } from '../../chat/storable.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../schema/fields.ts'
import type { ChatMessage, Principal } from '../../schema/index.ts'
import { validated } from '../../schema/validate.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { type Authenticate, requirePrincipal } from '../http/authenticate.ts'
import { failureResponse } from '../http/failure-response.ts'
import { isJsonRequest, readJsonBody } from '../http/json-body.ts'
import { hidesItsCause, reportError } from '../http/report-error.ts'
import { requireOwnOrigin } from '../http/request-origin.ts'
import { missingRow } from '../store/errors.ts'
import type { SessionStore } from '../store/index.ts'
import { type BatchWriter, spendBytes } from '../write-handler.ts'
import { type AttachmentStore, attaching } from './attach-files.ts'
import { recording, streamMessage } from './stream-message.ts'

/** An answer to give. */
export interface ChatQuestion<P extends Principal = Principal> {
  readonly principal: P
  readonly threadId: string
  /**
   * The branch to answer, oldest message first, from the database. It ends with the question, or with the answer
   * to continue after an approval or the result of a tool in the browser.
   */
  readonly history: readonly ChatMessage[]
  /** The `body` of `sendMessage`, such as the model to use: from the browser, to be checked. */
  readonly body: JsonObject
  /** Aborted when the answer is stopped. Pass it to the model. */
  readonly abortSignal: AbortSignal
}

/** The options of `createChatHandler`. */
export interface ChatHandlerOptions<P extends Principal = Principal> {
  readonly store: Pick<SessionStore<P>, 'write' | 'readMessage' | 'readThread'> &
    Pick<BatchWriter, 'limiters'> &
    AttachmentStore<P>
  /** Returns the principal of a request. No principal, or an exception, is answered with 401. */
  readonly authenticate: Authenticate<P>
  /** Returns the stream of the answer: `streamText(…).toUIMessageStream()`. */
  readonly answer: (question: ChatQuestion<P>) => UIMessageChunks | Promise<UIMessageChunks>
  /** The number of messages of the branch that `answer` receives, at most. Default 200. */
  readonly historyLength?: number
  /**
   * URL of the app's upload route. What an answer has that is too large for a message, such as an image that the model has
   * made or the output of a tool, is then stored as an attachment of the thread. Without it, such a file is omitted, and
   * such an output is shortened.
   */
  readonly uploadUrl?: string
  /** Keeps the process alive until an answer is complete, where it would end with the response. */
  readonly waitUntil?: (answer: Promise<void>) => void
  /** Origins that may ask besides the app's own, such as `https://app.example`. */
  readonly allowedOrigins?: readonly string[]
  /** Called with errors of answers, and with errors the client only sees as `unavailable`. Default `console.error`. */
  readonly onError?: (error: unknown) => void
}

const MAX_BODY_BYTES = 1024 * 1024
/** A question is some reads and writes, and the call of a model. */
const QUESTION_COST = 10

/**
 * Creates the handler of the route that `createChatTransport` asks for answers. It answers as soon as the answer
 * has begun; the answer is stored while it grows, whether or not a browser is connected, and every window that
 * shows the thread sees it. The model's input is read from the database with the principal's rights. The handler
 * never rejects.
 *
 * @throws Nothing: failures are responses with `{ error: { code, message } }`
 * @example
 * const serveChat = createChatHandler({
 *   store,
 *   authenticate,
 *   async answer({ history, abortSignal }) {
 *     const messages = await toModelMessages(history, convertToModelMessages)
 *     return streamText({ model, messages, abortSignal }).toUIMessageStream()
 *   },
 * })
 * // in a route: ({ request }) => serveChat(request)
 */
export function createChatHandler<P extends Principal = Principal>(
  options: ChatHandlerOptions<P>,
): (request: Request) => Promise<Response> {
  const { store, historyLength = 200, uploadUrl } = options
  const report = (error: unknown) => reportError(error, options.onError)
  /** The answers that this process writes, by tenant and id. */
  const running = new Map<string, AbortController>()

  async function answer(principal: P, request: AnswerRequest): Promise<ChatReply> {
    const { threadId, messageId, body = {} } = request
    const page = await store.readThread(principal, threadId, {
      branch: messageId,
      last: historyLength,
    })
    const last = page?.messages.at(-1)
    if (page === undefined || last === undefined) throw missingRow('message')
    if (last.status === 'streaming') {
      const message = 'This message is still being written. Wait for its end, or stop it.'
      throw new SessionDbError('conflict', message)
    }
    const isAnswer = request.type === 'answer'
    const parts = isAnswer ? last.parts : settledCalls(last.parts, request)
    const stream = isAnswer ? await begin(principal, last) : await reopen(principal, last, parts)
    const history = [...page.messages.slice(0, -1), { ...last, parts }]
    const abort = new AbortController()
    const key = keyOf(principal, stream.id)
    running.set(key, abort)
    const question = { principal, threadId, history, body, abortSignal: abort.signal }
    const written = write(stream, question).finally(() => running.delete(key))
    options.waitUntil?.(written)
    return { id: stream.id, version: isAnswer ? 1 : last.version + 1 }
  }

  function begin(principal: P, question: ChatMessage): Promise<MessageStream> {
    const { threadId, id: parentId } = question
    const message = { threadId, role: 'assistant', parentId } as const
    return streamMessage(store, principal, { ...message, ...(uploadUrl && { uploadUrl }) })
  }

  function reopen(
    principal: P,
    message: ChatMessage,
    parts: readonly JsonValue[],
  ): Promise<MessageStream> {
    if (message.role !== 'assistant') {
      throw new SessionDbError('invalid', 'Only an answer can be continued.')
    }
    return takeOver(principal, message, { parts })
  }

  function takeOver(
    principal: P,
    message: ChatMessage,
    reopened?: { readonly parts: readonly JsonValue[] },
  ): Promise<MessageStream> {
    // The first read returns the message that was decided on: the version guards against changes since.
    let known: ChatMessage | undefined = message
    return resumeStream({
      id: message.id,
      async read() {
        const read = known ?? (await store.readMessage(principal, message.id))
        known = undefined
        if (read === undefined) throw missingRow('message')
        return read
      },
      take: (mutation) => store.write(principal, { id: uuidv7(), mutations: [mutation] }),
      write: (batch) => store.write(principal, batch),
      ...(reopened && { reopen: reopened }),
      options: {},
      contextOf: ({ id, threadId }) => ({
        ...recording(store, principal, id),
        ...attaching(store, principal, { threadId, uploadUrl }),
      }),
    })
  }

  async function write(stream: MessageStream, question: ChatQuestion<P>): Promise<void> {
    try {
      await stream.pipe(await options.answer(question))
    } catch (error) {
      // A stop has taken the message over.
      if (question.abortSignal.aborted) return
      report(error)
      await stream.fail().catch(report)
    }
  }

  async function stop(principal: P, messageId: string): Promise<ChatReply> {
    const message = await store.readMessage(principal, messageId)
    if (message === undefined) throw missingRow('message')
    const { id, version, status } = message
    if (status !== 'streaming') return { id, version }
    const stream = await takeOver(principal, message)
    running.get(keyOf(principal, id))?.abort()
    await stream.fail({ code: 'aborted', message: 'Stopped.' })
    return { id, version: version + 2 }
  }

  async function handle(request: Request): Promise<ChatReply> {
    requireOwnOrigin(request, options.allowedOrigins ?? [])
    const principal = await requirePrincipal(options.authenticate, request, report)
    // Before the body is read, because reading one takes time too.
    await store.limiters?.writes.spend(principal, QUESTION_COST)
    const leave = await store.limiters?.writes.enter(principal, request.signal)
    try {
      const onRead = (bytes: number) => spendBytes(store, principal, bytes)
      const body = await readJsonBody(request, MAX_BODY_BYTES, onRead)
      const data = validated(chatRequestSchema, body, 'The request')
      return data.type === 'stop'
        ? await stop(principal, data.messageId)
        : await answer(principal, data)
    } finally {
      leave?.()
    }
  }

  return async (request) => {
    const refuse = (status: 405 | 415, message: string) =>
      failureResponse(new SessionDbError('invalid', message), {}, status)
    if (request.method !== 'POST') return refuse(405, 'Ask with POST.')
    if (!isJsonRequest(request)) return refuse(415, 'Send the request as application/json.')
    try {
      return Response.json(await handle(request), { headers: { 'cache-control': 'no-store' } })
    } catch (error) {
      if (hidesItsCause(error)) report(error)
      return failureResponse(error)
    }
  }
}

type AnswerRequest = Exclude<ChatRequest, { readonly type: 'stop' }>

function keyOf({ tenantId }: Principal, id: string): string {
  return JSON.stringify([tenantId, id])
}

/**
 * Enters a user's decisions and the results of tools in the browser into the calls that wait for them. Everything
 * else of the answer stays as it is stored: a browser can't change what the model has written.
 */
function settledCalls(
  parts: readonly JsonValue[],
  { decisions, results }: Extract<ChatRequest, { readonly type: 'continue' }>,
): readonly JsonValue[] {
  return parts.map((part) => {
    if (!isJsonObject(part)) return part
    const { approval, state } = part
    if (state === 'approval-requested' && isJsonObject(approval)) {
      const decision = decisions.find(({ id }) => id === approval.id)
      return decision === undefined ? part : decided(part, approval, decision)
    }
    const isWaiting = state === 'input-available' && part.providerExecuted !== true
    const result = results.find(({ toolCallId }) => toolCallId === part.toolCallId)
    return isWaiting && result !== undefined ? withResult(part, result) : part
  })
}

function decided(part: JsonObject, approval: JsonObject, decision: ApprovalDecision): JsonObject {
  const { approved, reason } = decision
  const given = reason === undefined ? { approved } : { approved, reason }
  return { ...part, state: 'approval-responded', approval: { ...approval, ...given } }
}

function withResult(part: JsonObject, { output, errorText }: ClientToolResult): JsonObject {
  return errorText === undefined
    ? storableObject({ ...part, state: 'output-available', output: output ?? null }, () => {})
    : { ...part, state: 'output-error', errorText }
}
