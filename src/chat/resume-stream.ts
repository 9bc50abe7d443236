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

/** A stream to take over, and the means to do it. */
export interface Resumption {
  readonly id: string
  /** Reads the message as it is now. @throws SessionDbError `not_found` */
  readonly read: () => ChatMessage | Promise<ChatMessage>
  /** Writes the update that makes this writer the stream's. The deltas of the previous writer are folded by then. */
  readonly take: (mutation: MutationInput) => Promise<unknown>
  readonly write: (batch: WriteBatchInput) => Promise<WriteResult>
  readonly options: MessageStreamOptions
}

/**
 * Takes over the stream of a message and continues after its stored content.
 *
 * @throws SessionDbError `conflict` if the message is complete or another writer took it over concurrently
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
  // Taking over has folded the previous writer's deltas into the message.
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
