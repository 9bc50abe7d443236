import { v7 as uuidv7 } from 'uuid'
import { MAX_OUTPUT_BYTES, withinLimits } from '../../chat/delta-buffer.ts'
import type { UIMessageChunks } from '../../chat/pipe-ui-message-stream.ts'
import { shortened } from '../../chat/shorten-output.ts'
import { storableObject } from '../../chat/storable.ts'
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
 * Returns the option of a stream that stores what is too large for a message as attachments of the thread: files, such
 * as images that a model has made, whose parts refer to them, and outputs of tools, of which the beginning stays in
 * place. What can't be attached, because it is too large for that too, is left to the stream, which notes its omission.
 */
export function attaching<User extends Principal>(
  { createAttachment, receiveAttachment }: AttachmentStore<User>,
  principal: User,
  { threadId, uploadUrl }: AttachTo,
): { readonly attach?: (chunks: UIMessageChunks) => UIMessageChunks } {
  if (uploadUrl === undefined || !createAttachment || !receiveAttachment) return {}
  const base = uploadUrl.replace(/\/+$/, '')

  /** Stores an attachment. Returns its id and URL; undefined if it was refused. */
  async function store(bytes: Buffer, name?: string) {
    const attachmentId = uuidv7()
    try {
      await createAttachment?.(principal, {
        id: attachmentId,
        threadId,
        totalBytes: bytes.length,
        name,
      })
      await receiveAttachment?.(principal, attachmentId, [bytes])
    } catch {
      return undefined
    }
    return { attachmentId, url: `${base}/attachments/${attachmentId}` }
  }

  async function attachedFile(chunk: FileChunk): Promise<Chunk> {
    const stored = await store(Buffer.from(chunk.url.replace(DATA_URL, ''), 'base64'))
    if (stored === undefined) return chunk
    const { attachmentId, url } = stored
    return { ...chunk, url, ...referringTo(chunk, { attachmentId }) }
  }

  async function attachedOutput(chunk: Chunk): Promise<Chunk> {
    const { output = null } = storableObject({ output: chunk.output }, () => {})
    const bytes = Buffer.from(JSON.stringify(output))
    if (bytes.length <= MAX_OUTPUT_BYTES) return chunk
    const stored = await store(bytes, 'output.json')
    if (stored === undefined) return chunk
    const reference = referringTo(chunk, { ...stored, wholeBytes: bytes.length })
    return { ...chunk, output: shortened(output), ...reference }
  }

  async function attached(chunk: Chunk): Promise<Chunk> {
    if (isLargeFile(chunk)) return attachedFile(chunk)
    const isOutput = chunk.type === 'tool-output-available' && chunk.preliminary !== true
    return isOutput ? attachedOutput(chunk) : chunk
  }

  return {
    async *attach(chunks) {
      for await (const chunk of chunks) yield await attached(chunk)
    },
  }
}

type Chunk = { readonly type: string; readonly [key: string]: unknown }
type FileChunk = Chunk & { readonly url: string }

function referringTo(chunk: Chunk, sessionDb: object) {
  const { providerMetadata: given } = chunk as JsonObject
  return { providerMetadata: { ...(isJsonObject(given) && given), sessionDb } }
}

function isLargeFile(chunk: Chunk): chunk is FileChunk {
  const { type, url } = chunk
  if (!FILE_TYPES.has(type) || typeof url !== 'string' || !DATA_URL.test(url)) return false
  const part = { at: 0, set: chunk as JsonObject }
  return withinLimits(part) !== part
}
