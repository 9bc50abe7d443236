import { type ChatMessage, type JsonObject, type Principal, SessionDbError } from '@org/session-db'
import {
  inlineAttachments,
  type MessageStream,
  resumeMessage,
  streamMessage,
  watchAbandonedMessages,
} from '@org/session-db/server'
import { questionOf } from '#/lib/message-notes'
import { pool } from './database.server'
import { decidedParts, echoModel, MODEL, titleFor, usageOf } from './echo-model'
import { store } from './session-db.server'

/** A question, and the message that becomes its answer. */
export interface AnswerRequest {
  readonly threadId: string
  readonly messageId: string
  readonly answerId: string
  /** An answer to put another one beside. */
  readonly besides?: string
}

/** A user's decision about a tool call. */
export interface Decision {
  readonly answerId: string
  readonly approvalId: string
  readonly approved: boolean
  /** The id of the message in which the assistant goes on. */
  readonly nextId: string
}

const GONE = 'There is no such message, or it is not shared with you.'
/** Interval of heartbeats of a silent answer, in ms. */
const HEARTBEAT_MS = 5_000
const writing = new Set<MessageStream>()

/**
 * Starts or resumes an answer for a user. Resolves once the answer exists in its thread; the rest
 * happens in the background.
 */
export async function beginAnswer(principal: Principal, request: AnswerRequest): Promise<void> {
  const { threadId, messageId, answerId } = request
  const question = await store.readMessage(principal, messageId)
  if (question?.threadId !== threadId || question.role !== 'user') {
    throw new SessionDbError('not_found', GONE)
  }
  const begun = await store.readMessage(principal, answerId)
  if (begun && !isAnswerTo(question, begun)) {
    throw new SessionDbError('invalid', 'answerId is the id of another message.')
  }
  const stream = begun
    ? await resumeMessage(store, principal, answerId, { heartbeatMs: HEARTBEAT_MS })
    : await begin(principal, request, await placeOf(principal, request))
  void write(principal, stream, question)
}

/** Creates the message of an answer. Without a parent it follows whatever the thread shows. */
function begin(
  principal: Principal,
  { threadId, messageId, answerId }: AnswerRequest,
  parent: { readonly parentId?: string | null },
): Promise<MessageStream> {
  return streamMessage(store, principal, {
    id: answerId,
    threadId,
    role: 'assistant',
    metadata: { answerTo: messageId },
    ...parent,
    heartbeatMs: HEARTBEAT_MS,
  })
}

/**
 * An answer follows the newest message of its branch, because others may have written after the question. If the
 * thread shows another branch by now, it follows its question.
 */
async function placeOf(
  principal: Principal,
  { threadId, messageId, besides }: AnswerRequest,
): Promise<{ readonly parentId?: string | null }> {
  if (besides !== undefined) {
    const other = await store.readMessage(principal, besides)
    if (other?.threadId !== threadId) throw new SessionDbError('not_found', GONE)
    return { parentId: other.parentId }
  }
  const page = await store.readThread(principal, threadId, { last: 50 })
  const isShown = page?.messages.some(({ id }) => id === messageId)
  return isShown ? {} : { parentId: messageId }
}

/**
 * Stores what the user decided about a tool call, with its result, and goes on. Of two decisions the first one counts.
 *
 * @throws SessionDbError `not_found`; `conflict` when it has been decided already
 */
export async function decide(principal: Principal, decision: Decision): Promise<void> {
  const { answerId, approvalId, approved, nextId } = decision
  const answer = await store.readMessage(principal, answerId)
  const question = answer && (await store.readMessage(principal, questionOf(answer) ?? ''))
  if (!answer || !question || answer.authorId !== principal.userId) {
    throw new SessionDbError('not_found', GONE)
  }
  const parts = decidedParts(answer.parts, approvalId, approved)
  if (parts === undefined) throw new SessionDbError('conflict', 'This was decided before.')
  await store.write(principal, {
    id: `decision-${nextId}`,
    mutations: [
      {
        collection: 'chatMessages',
        type: 'update',
        id: answerId,
        changes: { parts },
        expectedVersion: answer.version,
      },
    ],
  })
  const { threadId } = answer
  const request = { threadId, messageId: question.id, answerId: nextId }
  const next = await begin(principal, request, { parentId: answerId })
  void write(principal, next, question, approved)
}

/** Stops an answer. The instance that writes it notices, because its next append fails. */
export async function endAnswer(principal: Principal, answerId: string): Promise<void> {
  const answer = await store.readMessage(principal, answerId)
  if (answer?.role !== 'assistant') throw new SessionDbError('not_found', GONE)
  if (answer.status !== 'streaming') return
  const stream = await resumeMessage(store, principal, answerId)
  await stream.fail({ code: 'aborted', message: 'Stopped.' })
}

function isAnswerTo(question: ChatMessage, message: ChatMessage): boolean {
  return message.role === 'assistant' && questionOf(message) === question.id
}

async function write(
  principal: Principal,
  stream: MessageStream,
  question: ChatMessage,
  approved?: boolean,
): Promise<void> {
  writing.add(stream)
  const startedAt = performance.now()
  try {
    const { content, parts } = stream
    // A model can't read the app's route, so it gets the bytes of attached files.
    const [message = question] = await inlineAttachments(store, principal, [question])
    const files = message.parts.filter((part): part is JsonObject => Object(part).type === 'file')
    const prompt = { question: question.content, files, content, parts, approved }
    for await (const piece of echoModel(prompt)) {
      if (typeof piece === 'string') stream.append(piece)
      else stream.setPart(piece)
    }
    const durationMs = Math.round(performance.now() - startedAt)
    const usage = usageOf(prompt, stream.content)
    await stream.finish({ metadata: { model: MODEL, usage, durationMs } })
    // With `stream.pipe` the library does this: see docs/chat-list.md.
    const call = { messageId: stream.id, callId: `${stream.id}-${content.length}` }
    await store.recordUsage(principal, { ...call, model: MODEL, durationMs, ...usage })
    if (question.parentId === null) await titleThread(principal, question)
  } catch (error) {
    await stream.fail('The answer could not be completed.').catch(() => undefined)
    // Someone stopped it, resumed it elsewhere or deleted it: then it is not ours to finish.
    const isTaken =
      error instanceof SessionDbError && ['conflict', 'not_found'].includes(error.code)
    if (!isTaken) console.error('An answer failed:', error)
  } finally {
    writing.delete(stream)
  }
}

/** Titles a thread after the answer to its first question, unless its members have renamed it. */
async function titleThread(principal: Principal, question: ChatMessage): Promise<void> {
  const title = titleFor(question.content)
  if (title === '') return
  try {
    await store.suggestTitle(principal, { threadId: question.threadId, title })
  } catch (error) {
    // Another user's thread keeps its title.
    if (!(error instanceof SessionDbError) || error.code !== 'forbidden') throw error
  }
}

/**
 * Watches for answers whose server is gone. The result stops this server's answers and the watch.
 */
export function watchAnswers(): () => Promise<void> {
  const watch = watchAbandonedMessages({
    database: pool,
    timeoutMs: 3 * HEARTBEAT_MS,
    everyMs: HEARTBEAT_MS,
    onError: (error) => console.error('Abandoned answers:', error),
  })
  const reason = { code: 'aborted', message: 'The server was restarted.' } as const
  return async () => {
    const ended = [...writing].map((stream) => stream.fail(reason))
    await Promise.allSettled([watch.stop(), ...ended])
  }
}
