import { v7 as uuidv7 } from 'uuid'
import { SessionDbError } from '../errors.ts'
import type { ChatMessage } from '../schema/chat-message.ts'
import { type StreamedContent, streamStateOf } from '../schema/streamed-message.ts'
import type { MutationInput, WriteBatchInput } from '../writes/batch.ts'
import type { WriteResult } from '../writes/result.ts'
import {
  createMessageStream,
  type MessageStream,
  type MessageStreamContext,
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
  /** Continues a complete message, with these parts. Without it, complete messages are refused. */
  readonly reopen?: { readonly parts: StreamedContent['parts'] }
  readonly options: MessageStreamOptions
  /** Returns the rest of the stream's context. */
  readonly contextOf?: (message: ChatMessage) => Pick<MessageStreamContext, 'onUsage' | 'attach'>
}

/**
 * The numbers of deltas between two runs of a message. Readers may still have the deltas of the run before, so a
 * message that is reopened starts at a number that no earlier run has reached.
 */
const RUN = 1_000_000
const MAX_RUNS = 999

/**
 * Takes over the stream of a message and continues after its stored content.
 *
 * @throws SessionDbError `conflict` if the message is complete or another writer took it over concurrently
 */
export async function resumeStream(resumption: Resumption): Promise<MessageStream> {
  const { id, read, take, write, reopen, options, contextOf } = resumption
  const message = await read()
  if (message.status === 'complete' && reopen === undefined) {
    throw new SessionDbError('conflict', 'This message is complete: there is nothing to resume.')
  }
  const writer = uuidv7()
  const { stream: _, ...metadata } = message.metadata
  const first = reopen && (message.version % MAX_RUNS) * RUN
  const { from = first } = streamStateOf(message.metadata)
  const stream = from === undefined ? { writer } : { writer, from }
  const changes = { status: 'streaming', metadata: { ...metadata, stream }, ...reopen } as const
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
    ...contextOf?.(message),
  })
}
