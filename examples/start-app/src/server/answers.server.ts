import { type ChatMessage, type Principal, SessionDbError } from '@org/session-db'
import {
  type MessageStream,
  resumeMessage,
  streamMessage,
  watchAbandonedMessages,
} from '@org/session-db/server'
import { pool } from './database.server'
import { echoModel } from './echo-model'
import { store } from './session-db.server'

/** A question, and the message that becomes its answer. */
export interface AnswerRequest {
  readonly threadId: string
  readonly messageId: string
  readonly answerId: string
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
    : await streamMessage(store, principal, {
        id: answerId,
        threadId,
        parentId: messageId,
        role: 'assistant',
        heartbeatMs: HEARTBEAT_MS,
      })
  void write(stream, question.content)
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
  return message.role === 'assistant' && message.parentId === question.id
}

async function write(stream: MessageStream, question: string): Promise<void> {
  writing.add(stream)
  try {
    for await (const token of echoModel(question, stream.content)) stream.append(token)
    await stream.finish()
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
