import { withoutOmission } from '../../chat/shorten-output.ts'
import type { ChatMessage, JsonObject, JsonValue, Principal } from '../../schema/index.ts'
import { SessionDbError } from '../../writes/errors.ts'
import type { SessionStore } from '../store/index.ts'
import { FILE_TYPES } from './attach-files.ts'

/**
 * Puts the bytes of attachments into the file parts of messages, for models, which can't read them from the app's own
 * route. An attachment that is gone, or that the principal may not see, leaves its part as it is.
 *
 * @param options.maxBytes the most bytes to put in; later attachments stay as they are. Default 20 MiB.
 * @param options.toolOutputs also puts whole outputs of tools in place of their beginnings. Default false: a model has
 * seen the whole when it answered, and pays for it again in each question after that.
 * @example
 * const messages = await toModelMessages(await inlineAttachments(store, principal, history), convertToModelMessages)
 */
export async function inlineAttachments<P extends Principal>(
  store: Pick<SessionStore<P>, 'openAttachment'>,
  principal: P,
  history: readonly ChatMessage[],
  options: { readonly maxBytes?: number; readonly toolOutputs?: boolean } = {},
): Promise<ChatMessage[]> {
  const { maxBytes = 20 * 1024 * 1024, toolOutputs = false } = options
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
    const { type, providerMetadata, resultProviderMetadata } = Object(part)
    const isOutput = toolOutputs && attachmentIdIn(resultProviderMetadata) !== undefined
    const isFile = FILE_TYPES.has(type)
    const id = attachmentIdIn(isFile ? providerMetadata : isOutput ? resultProviderMetadata : null)
    if (id === undefined) return part
    try {
      const { totalBytes, mediaType, body } = await store.openAttachment(principal, id)
      if (totalBytes > left) return part
      left -= totalBytes
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      return isFile
        ? withFile(part as JsonObject, mediaType, bytes)
        : withOutput(part as JsonObject, bytes)
    } catch (error) {
      if (error instanceof SessionDbError && error.code === 'not_found') return part
      throw error
    }
  }
}

function withFile(
  { providerMetadata: _, ...part }: JsonObject,
  mediaType: string,
  bytes: Buffer,
): JsonObject {
  return { ...part, mediaType, url: `data:${mediaType};base64,${bytes.toString('base64')}` }
}

function withOutput(part: JsonObject, bytes: Buffer): JsonObject {
  try {
    return { ...withoutOmission(part), output: JSON.parse(bytes.toString()) as JsonValue }
  } catch {
    return part
  }
}

function attachmentIdIn(metadata: unknown): string | undefined {
  const id: unknown = Object(metadata).sessionDb?.attachmentId
  return typeof id === 'string' ? id : undefined
}
