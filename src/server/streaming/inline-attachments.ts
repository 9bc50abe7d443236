import type { ChatMessage, JsonObject, JsonValue, Principal } from '../../schema/index.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { SessionStore } from '../store/index.ts'
import { FILE_TYPES } from './attach-files.ts'

/**
 * Puts the bytes of attachments into the file parts of messages, for models, which can't read them from the app's own
 * route. An attachment that is gone, or that the principal may not see, leaves its part as it is.
 *
 * @param options.maxBytes the most bytes to put in; later attachments stay as they are. Default 20 MiB.
 * @example
 * const messages = await toModelMessages(await inlineAttachments(store, principal, history), convertToModelMessages)
 */
export async function inlineAttachments<P extends Principal>(
  store: Pick<SessionStore<P>, 'openAttachment'>,
  principal: P,
  history: readonly ChatMessage[],
  { maxBytes = 20 * 1024 * 1024 }: { readonly maxBytes?: number } = {},
): Promise<ChatMessage[]> {
  let left = maxBytes
  const inlined: ChatMessage[] = []
  // The newest first: those are what the question is about.
  for (const message of history.toReversed()) {
    const parts: JsonValue[] = []
    for (const part of message.parts) parts.push(await inline(part))
    inlined.unshift({ ...message, parts })
  }
  return inlined

  async function inline(part: JsonValue): Promise<JsonValue> {
    const id = attachmentIdOf(part)
    if (id === undefined) return part
    try {
      const { totalBytes, mediaType, body } = await store.openAttachment(principal, id)
      if (totalBytes > left) return part
      left -= totalBytes
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      const { providerMetadata: _, ...rest } = part as JsonObject
      const url = `data:${mediaType};base64,${Buffer.concat(chunks).toString('base64')}`
      return { ...rest, mediaType, url }
    } catch (error) {
      if (error instanceof SessionDbError && error.code === 'not_found') return part
      throw error
    }
  }
}

function attachmentIdOf(part: JsonValue): string | undefined {
  const { type, providerMetadata } = Object(part)
  const id: unknown = FILE_TYPES.has(type) ? providerMetadata?.sessionDb?.attachmentId : undefined
  return typeof id === 'string' ? id : undefined
}
