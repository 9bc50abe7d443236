import { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import type { WriteBatchInput } from '../writes/batch.ts'
import type { MessageStream, MessageStreamOptions } from '../writes/message-stream.ts'
import type { WriteResult } from '../writes/result.ts'
import { resumeStream } from '../writes/resume-stream.ts'
import { type CommitContext, commitBatch } from './commit-batch.ts'

export { createMessageStream } from '../writes/message-stream.ts'

/** Takes over the stream of a message that an open collection holds; see `StreamActions`. */
export function resumeMessage(
  context: CommitContext,
  write: (batch: WriteBatchInput) => Promise<WriteResult>,
  id: string,
  options: MessageStreamOptions,
): Promise<MessageStream> {
  return resumeStream({
    id,
    read: () => find(context, id),
    async take(mutation) {
      await commitBatch(context, [mutation]).committed
      // The optimistic row gives place to the stored one after the promise has been resolved.
      await new Promise((resolve) => setTimeout(resolve))
    },
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
