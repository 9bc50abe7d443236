import { v7 as uuidv7 } from 'uuid'
import type { MessageStream, MessageStreamOptions } from '../../chat/message-stream.ts'
import type { ChatMessageInsert } from '../../schema/chat-message.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import { type CommitContext, commitBatch } from './commit-batch.ts'
import { openMessageStream, resumeMessage } from './message-streaming.ts'

/** A message that is to be streamed: what it says comes later, its id may be left to the library. */
export interface NewStreamedMessage
  extends Omit<ChatMessageInsert, 'id' | 'content' | 'parts' | 'status'>,
    MessageStreamOptions {
  readonly id?: string
  /** Helps to show it at once where only its thread is open. */
  readonly sessionId?: string
}

/** Actions on messages that are written piece by piece. */
export interface StreamActions {
  /**
   * Begins a message that is written piece by piece. It shows at once, and grows in every window.
   *
   * @example
   * const stream = actions.streamMessage({ threadId, role: 'assistant' })
   * for await (const delta of answer) stream.append(delta)
   * await stream.finish()
   */
  streamMessage(message: NewStreamedMessage): MessageStream
  /**
   * Goes on with a message of an open collection whose stream has ended in an error, or whose writer
   * is gone. A writer that is still there can append no more.
   *
   * @throws SessionDbError `not_found` when no open collection has the message, `conflict` when it is
   * complete or has changed meanwhile, or why the server refuses
   */
  resumeMessage(id: string, options?: MessageStreamOptions): Promise<MessageStream>
}

/** Creates the streaming actions over one set of collections. */
export function createStreamActions(context: CommitContext): StreamActions {
  const write = (batch: WriteBatchInput) =>
    context.order.run(batch.mutations, () => context.send(batch))

  return {
    streamMessage({ sessionId, flushMs, heartbeatMs, retryForMs, ...message }) {
      const id = message.id ?? uuidv7()
      const writer = uuidv7()
      const metadata = message.metadata ?? {}
      const value: ChatMessageInsert = {
        ...message,
        id,
        content: '',
        status: 'streaming',
        metadata: { ...metadata, stream: { writer } },
      }
      const insert = { collection: 'chatMessages', type: 'insert', value } as const
      const sessions = sessionId === undefined ? [] : [[message.threadId, sessionId] as const]
      const begun = commitBatch(context, [insert], new Map(sessions))
      return openMessageStream(context, begun, {
        id,
        writer,
        metadata,
        write,
        options: { flushMs, heartbeatMs, retryForMs },
      })
    },
    resumeMessage: (id, options = {}) => resumeMessage(context, write, id, options),
  }
}
