import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import { streamStateOf } from '../schema/streamed-message.ts'
import type { WriteBatchInput } from '../writes/batch.ts'
import {
  createMessageStream,
  type MessageStream,
  type MessageStreamOptions,
} from '../writes/message-stream.ts'
import type { WriteResult } from '../writes/result.ts'
import { type CommitContext, commitBatch } from './commit-batch.ts'

export { createMessageStream } from '../writes/message-stream.ts'

/** Takes over the stream of a message that an open collection holds; see `StreamActions`. */
export async function resumeMessage(
  context: CommitContext,
  write: (batch: WriteBatchInput) => Promise<WriteResult>,
  id: string,
  options: MessageStreamOptions,
): Promise<MessageStream> {
  const message = find(context, id)
  if (message.status === 'complete') {
    throw new SessionDbError('conflict', 'This message is complete: there is nothing to resume.')
  }
  const writer = uuidv7()
  const { stream: _, ...metadata } = message.metadata
  const { from } = streamStateOf(message.metadata)
  const stream = from === undefined ? { writer } : { writer, from }
  const changes = { status: 'streaming', metadata: { ...metadata, stream } } as const
  const { version: expectedVersion } = message
  await commitBatch(context, [
    { collection: 'chatMessages', type: 'update', id, changes, expectedVersion },
  ]).committed
  // The optimistic row gives place to the stored one after the promise has been resolved.
  await new Promise((resolve) => setTimeout(resolve))
  const taken = find(context, id)
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

function find({ live }: CommitContext, id: string): ChatMessage {
  for (const { collection } of live.messages()) {
    const message = collection.get(id)
    if (message !== undefined) return message
  }
  throw new SessionDbError(
    'not_found',
    'No open collection has this message. Open its thread first.',
  )
}
