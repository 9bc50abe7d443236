import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import {
  type CallUsage,
  createMessageStream,
  type MessageStream,
  type MessageStreamOptions,
} from '../../chat/message-stream.ts'
import { resumeStream } from '../../chat/resume-stream.ts'
import { SessionDbError } from '../../errors.ts'
import type { ChatMessage, ChatMessageInsert, Principal } from '../../schema/index.ts'
import { missingRow } from '../store/errors.ts'
import type { SessionStore } from '../store/index.ts'
import { type AttachmentStore, attaching } from './attach-files.ts'

/** Options of a message stream on the server. */
export interface StoredStreamOptions extends MessageStreamOptions {
  /**
   * URL of the app's upload route. What a piped stream has that is too large for a message, such as an image that a model
   * has made or the output of a tool, is then stored as an attachment of the thread. Without it, such a file is omitted,
   * and such an output is shortened.
   */
  readonly uploadUrl?: string
}

/** A message to be streamed. Without an `id` it gets a UUIDv7. */
export interface StreamedMessage
  extends Omit<ChatMessageInsert, 'id' | 'content' | 'parts' | 'status'>,
    StoredStreamOptions {
  readonly id?: string
}

type Store<User extends Principal> = Pick<SessionStore<User>, 'write' | 'readMessage'> &
  Partial<Pick<SessionStore<User>, 'recordUsage'>> &
  AttachmentStore<User>

/**
 * Starts a message that is written piece by piece, such as an assistant's answer. When the promise
 * resolves, the message is in its thread with the status `streaming`.
 *
 * @throws SessionDbError like `store.write`; `conflict` when the thread has a message with this
 * `clientMessageId`.
 * @example
 * const stream = await streamMessage(store, principal, { threadId, role: 'assistant' })
 * await stream.pipe(streamText({ model, messages }).toUIMessageStream())
 */
export async function streamMessage<User extends Principal>(
  store: Store<User>,
  principal: User,
  { flushMs, heartbeatMs, retryForMs, uploadUrl, ...message }: StreamedMessage,
): Promise<MessageStream> {
  const id = message.id ?? uuidv7()
  const writer = randomUUID()
  const metadata = message.metadata ?? {}
  const value = {
    ...message,
    id,
    content: '',
    status: 'streaming',
    metadata: { ...metadata, stream: { writer } },
  } as const
  const insert = { collection: 'chatMessages', type: 'insert', value } as const
  const begun = await store.write(principal, { id: uuidv7(), mutations: [insert] })
  if (begun.mutations[0]?.id !== id) {
    throw new SessionDbError(
      'conflict',
      `The thread already has a message with this clientMessageId: '${begun.mutations[0]?.id}'. Resume that one.`,
    )
  }
  return createMessageStream({
    id,
    writer,
    metadata,
    write: (batch) => store.write(principal, batch),
    options: given({ flushMs, heartbeatMs, retryForMs }),
    ...recording(store, principal, id),
    ...attaching(store, principal, { threadId: message.threadId, uploadUrl }),
  })
}

/**
 * Continues a message whose stream ended in an error or whose writer is gone. The stream starts with
 * the stored `content` and `parts`. A previous writer that is still running can't append any more.
 *
 * @throws SessionDbError `not_found`, `forbidden`, or `conflict` when the message is complete or was
 * resumed concurrently.
 * @example
 * const stream = await resumeMessage(store, principal, messageId)
 * stream.append(await theRestOf(stream.content))
 */
export async function resumeMessage<User extends Principal>(
  store: Store<User>,
  principal: User,
  id: string,
  { uploadUrl, ...options }: StoredStreamOptions = {},
): Promise<MessageStream> {
  return resumeStream({
    id,
    read: () => existing(store, principal, id),
    take: (mutation) => store.write(principal, { id: uuidv7(), mutations: [mutation] }),
    write: (batch) => store.write(principal, batch),
    options,
    contextOf: ({ threadId }) => ({
      ...recording(store, principal, id),
      ...attaching(store, principal, { threadId, uploadUrl }),
    }),
  })
}

/** Returns the option of a stream that stores the usage of its model calls. */
export function recording<User extends Principal>(
  store: Store<User>,
  principal: User,
  messageId: string,
) {
  if (store.recordUsage === undefined) return {}
  return {
    onUsage: async (usage: CallUsage) => store.recordUsage?.(principal, { messageId, ...usage }),
  }
}

async function existing<User extends Principal>(
  store: Store<User>,
  principal: User,
  id: string,
): Promise<ChatMessage> {
  const message = await store.readMessage(principal, id)
  if (message !== undefined) return message
  throw missingRow('message')
}

function given(options: { [Key in keyof MessageStreamOptions]: number | undefined }) {
  const defined = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(defined) as MessageStreamOptions
}
