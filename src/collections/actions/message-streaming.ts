import {
  createMessageStream,
  type MessageStream,
  type MessageStreamOptions,
} from '../../chat/message-stream.ts'
import { resumeStream } from '../../chat/resume-stream.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatMessage } from '../../schema/chat-message.ts'
import type { JsonObject } from '../../schema/fields.ts'
import type { WriteBatchInput } from '../../writes/batch.ts'
import type { WriteResult } from '../../writes/result.ts'
import { given } from '../optimistic/optimistic-rows.ts'
import { type CommitContext, commitBatch, type PendingWrite } from './commit-batch.ts'

/** A message whose first row is on its way. */
interface Begun {
  readonly id: string
  readonly writer: string
  readonly metadata: JsonObject
  readonly write: WriteBatch
  readonly options: { [Key in keyof MessageStreamOptions]: MessageStreamOptions[Key] | undefined }
}

type WriteBatch = (batch: WriteBatchInput) => Promise<WriteResult>

/** Opens the stream of a new message; see `StreamActions`. */
export function openMessageStream(
  { outbox }: CommitContext,
  insert: PendingWrite,
  { id, writer, metadata, write, options }: Begun,
): MessageStream {
  return createMessageStream({
    id,
    writer,
    metadata,
    write: outbox === undefined ? write : afterInsert(insert, write),
    refused: refusalOf(insert),
    options: given(options),
  })
}

/** With an outbox the message may have to wait for the network; what is said in it waits for it. */
function afterInsert({ committed }: PendingWrite, write: WriteBatch): WriteBatch {
  const settled = committed.then(
    () => undefined,
    () => undefined,
  )
  return async (batch) => {
    await settled
    return write(batch)
  }
}

/** Resolves when the server does not take the message. That it shows late is no refusal. */
async function refusalOf({ committed }: PendingWrite): Promise<unknown> {
  try {
    await committed
  } catch (error) {
    if (!(error instanceof SessionDbError) || error.code !== 'sync_timeout') return error
  }
  return new Promise<never>(() => {})
}

/** Takes over the stream of a message that an open collection holds; see `StreamActions`. */
export function resumeMessage(
  context: CommitContext,
  write: WriteBatch,
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
