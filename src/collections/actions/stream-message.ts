import {
  createMessageStream,
  type MessageStream,
  type MessageStreamOptions,
} from '../../chat/message-stream.ts'
import { resumeStream } from '../../chat/resume-stream.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatMessage, ChatMessageInsert } from '../../schema/chat-message.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import { createId } from '../create-id.ts'
import { find } from '../optimistic/apply-mutations.ts'
import { given } from '../optimistic/optimistic-rows.ts'
import { type CommitContext, commitBatch, type PendingWrite } from './commit-batch.ts'
import { contextOf, type WithContext } from './context.ts'

/** A message to stream. Its content is appended later; its id is generated unless given. */
export interface NewStreamedMessage
  extends Omit<ChatMessageInsert, 'id' | 'content' | 'parts' | 'status'>,
    MessageStreamOptions {
  readonly id?: string
  /** Shows the message immediately where only its thread is open. */
  readonly sessionId?: string
}

/**
 * Starts a message that is written piece by piece. It shows immediately and grows in every window.
 *
 * @param db the collections of `createSessionCollections`
 * @example
 * const stream = streamMessage(db, { threadId, role: 'assistant' })
 * for await (const delta of answer) stream.append(delta)
 * await stream.finish()
 */
export function streamMessage(db: WithContext, message: NewStreamedMessage): MessageStream {
  const context = contextOf(db)
  const { sessionId, flushMs, heartbeatMs, retryForMs, ...insert } = message
  const id = message.id ?? createId()
  const writer = createId()
  const metadata = message.metadata ?? {}
  const value: ChatMessageInsert = {
    ...insert,
    id,
    content: '',
    status: 'streaming',
    metadata: { ...metadata, stream: { writer } },
  }
  const sessions = sessionId === undefined ? [] : [[message.threadId, sessionId] as const]
  const begun = commitBatch(context, [{ collection: 'chatMessages', type: 'insert', value }], {
    sessionOfThread: new Map(sessions),
  })
  const { send } = context
  return createMessageStream({
    id,
    writer,
    metadata,
    // With an outbox the message may wait for the network, and its deltas must wait for the message.
    write: context.outbox === undefined ? send : afterInsert(begun, send),
    refused: refusalOf(begun),
    options: given({ flushMs, heartbeatMs, retryForMs }),
  })
}

/**
 * Resumes a message whose stream has ended in an error or whose writer is gone. From then on, its
 * previous writer can append no more.
 *
 * @param db the collections of `createSessionCollections`
 * @throws SessionDbError `not_found` when no open collection has the message, `conflict` when it is
 *   complete or has changed meanwhile, or the server's reason for refusing
 */
export async function resumeMessage(
  db: WithContext,
  id: string,
  options: MessageStreamOptions = {},
): Promise<MessageStream> {
  const context = contextOf(db)
  return resumeStream({
    id,
    read: () => openMessage(context, id),
    async take(mutation) {
      await commitBatch(context, [mutation]).committed
      // The synced row replaces the optimistic one just after the promise resolves.
      await new Promise((resolve) => setTimeout(resolve))
    },
    write: context.send,
    options,
  })
}

type WriteBatch = (batch: WriteBatchInput) => Promise<WriteResult>

function afterInsert({ committed }: PendingWrite, write: WriteBatch): WriteBatch {
  const settled = committed.catch(() => undefined)
  return async (batch) => {
    await settled
    return write(batch)
  }
}

/** Resolves with the reason if the server refuses the message; a late confirmation is no refusal. */
async function refusalOf({ committed }: PendingWrite): Promise<unknown> {
  try {
    await committed
  } catch (error) {
    if (!(error instanceof SessionDbError) || error.code !== 'sync_timeout') return error
  }
  return new Promise<never>(() => {})
}

function openMessage({ live }: CommitContext, id: string): ChatMessage {
  const message = find(live.messages(), id)
  if (message !== undefined) return message
  throw new SessionDbError(
    'not_found',
    'No open collection has this message. Open its thread first.',
  )
}
