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

/** A question, and the message that is to become its answer. */
export interface AnswerRequest {
  readonly threadId: string
  readonly messageId: string
  readonly answerId: string
}

const GONE = 'There is no such message, or it is not shared with you.'
/** How often an answer that has nothing to say shows that its server is there, in ms. */
const HEARTBEAT_MS = 5_000
const writing = new Set<MessageStream>()

/**
 * Begins an answer, or goes on with one that broke off, on behalf of whoever asked. Resolves once the
 * answer stands in its thread; the rest happens in the background.
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

/** Ends an answer where it is. The instance that writes it notices: it can append no more. */
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
    // Somebody stopped it, or went on with it elsewhere, or deleted it: then it is not ours to end.
    const isTaken =
      error instanceof SessionDbError && ['conflict', 'not_found'].includes(error.code)
    if (!isTaken) console.error('An answer broke off:', error)
  } finally {
    writing.delete(stream)
  }
}

/** Looks after answers whose server is gone; the result ends those of this server, and the watch. */
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
