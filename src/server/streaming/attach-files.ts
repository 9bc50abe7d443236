import { v7 as uuidv7 } from 'uuid'
import { withinLimits } from '../../chat/delta-buffer.ts'
import type { UIMessageChunks } from '../../chat/pipe-ui-message-stream.ts'
import { isJsonObject, type JsonObject, type Principal } from '../../schema/index.ts'
import type { SessionStore } from '../store/index.ts'

/** The methods of a store that attach files to answers. */
export type AttachmentStore<User extends Principal> = Partial<
  Pick<SessionStore<User>, 'createAttachment' | 'receiveAttachment'>
>

/** The thread of a message, and where its attachments are read. */
interface AttachTo {
  readonly threadId: string
  /** URL of the app's upload route. Without it, nothing is attached. */
  readonly uploadUrl: string | undefined
}

/** The types of parts and chunks that have a file. */
export const FILE_TYPES: ReadonlySet<unknown> = new Set(['file', 'reasoning-file'])

const DATA_URL = /^data:[^,]*;base64,/

/**
 * Returns the option of a stream that stores files which are too large for a message, such as images that a model has
 * made, as attachments of the thread: their parts refer to them. A file that can't be attached, because it is too large
 * for that too, is left to the stream, which notes its omission.
 */
export function attaching<User extends Principal>(
  { createAttachment, receiveAttachment }: AttachmentStore<User>,
  principal: User,
  { threadId, uploadUrl }: AttachTo,
): { readonly attach?: (chunks: UIMessageChunks) => UIMessageChunks } {
  if (uploadUrl === undefined || !createAttachment || !receiveAttachment) return {}
  const base = uploadUrl.replace(/\/+$/, '')

  async function attached(chunk: FileChunk): Promise<FileChunk> {
    const bytes = Buffer.from(chunk.url.replace(DATA_URL, ''), 'base64')
    const id = uuidv7()
    try {
      await createAttachment?.(principal, { id, threadId, totalBytes: bytes.length })
      await receiveAttachment?.(principal, id, [bytes])
    } catch {
      return chunk
    }
    const { providerMetadata: given } = chunk
    const providerMetadata = { ...(isJsonObject(given) && given), sessionDb: { attachmentId: id } }
    return { ...chunk, url: `${base}/attachments/${id}`, providerMetadata }
  }

  return {
    async *attach(chunks) {
      for await (const chunk of chunks) yield isTooLarge(chunk) ? await attached(chunk) : chunk
    },
  }
}

type FileChunk = JsonObject & { readonly type: string; readonly url: string }

function isTooLarge(chunk: { readonly type: string; readonly url?: unknown }): chunk is FileChunk {
  const { type, url } = chunk
  if (!FILE_TYPES.has(type) || typeof url !== 'string' || !DATA_URL.test(url)) return false
  const part = { at: 0, set: chunk as JsonObject }
  return withinLimits(part) !== part
}
