import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import { streamStateOf } from '../schema/streamed-message.ts'
import type { MutationInput, WriteBatchInput } from '../writes/batch.ts'
import type { WriteResult } from '../writes/result.ts'
import {
  createMessageStream,
  type MessageStream,
  type MessageStreamOptions,
} from './message-stream.ts'

/** Whose stream is taken over, and by what means. */
export interface Resumption {
  readonly id: string
  /** The message as it is at that time. @throws SessionDbError `not_found` */
  readonly read: () => ChatMessage | Promise<ChatMessage>
  /** Writes what makes the stream ours; what was streamed before is read after it. */
  readonly take: (mutation: MutationInput) => Promise<unknown>
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  readonly options: MessageStreamOptions
}

/**
 * Takes over the stream of a message, and goes on after what is stored of it.
 *
 * @throws SessionDbError `conflict` when it is complete, or somebody else took it at the same time
 */
export async function resumeStream(resumption: Resumption): Promise<MessageStream> {
  const { id, read, take, write, options } = resumption
  const message = await read()
  if (message.status === 'complete') {
    throw new SessionDbError('conflict', 'This message is complete: there is nothing to resume.')
  }
  const writer = uuidv7()
  const { stream: _, ...metadata } = message.metadata
  const { from } = streamStateOf(message.metadata)
  const stream = from === undefined ? { writer } : { writer, from }
  const changes = { status: 'streaming', metadata: { ...metadata, stream } } as const
  const { version: expectedVersion } = message
  await take({ collection: 'chatMessages', type: 'update', id, changes, expectedVersion })
  // What the writer before this one had streamed is part of the message only now.
  const taken = await read()
  return createMessageStream({
    id,
    writer,
    seq: streamStateOf(taken.metadata).from ?? 0,
    before: taken,
    metadata,
    write,
    options,
  })
}
