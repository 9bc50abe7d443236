import type { JsonObject } from '../../schema/fields.ts'
import { contextOf, type WithContext } from '../actions/context.ts'
import { createId } from '../create-id.ts'
import { uploadBase } from './upload-failure.ts'
import { createUploadRequests } from './upload-requests.ts'
import { startUpload, type UploadProgress } from './upload-session.ts'

/** A file to attach to a message. */
export interface AttachedFile {
  readonly file: Blob & { readonly name?: string }
  /** The thread of the message. */
  readonly threadId: string
  /**
   * The attachment's id; generated unless given. With the id of an interrupted upload and the same file, the upload
   * resumes where it was.
   */
  readonly id?: string
  /** Called with the progress after each chunk that the server has stored, and before each retry. */
  readonly onProgress?: (progress: UploadProgress) => void
  /** Bytes per request, for proxies that allow only small bodies. Default 8 MiB. */
  readonly partBytes?: number
}

/** A `file` part of a message, as the AI SDK has it. */
export type FilePart = JsonObject & {
  readonly type: 'file'
  /** As the file's first bytes show. */
  readonly mediaType: string
  readonly filename?: string
  /** Where everyone who sees the session reads the file; for `<img src>` and links. */
  readonly url: string
  readonly providerMetadata: { readonly sessionDb: { readonly attachmentId: string } }
}

/** An attachment that is being uploaded. */
export interface PendingAttachment {
  readonly id: string
  /** Resolves with the part to put into the message. Rejects with a `SessionDbError`. It is safe to ignore. */
  readonly uploaded: Promise<FilePart>
  /** Stops the upload and deletes what the server has stored of it. */
  abort(): Promise<void>
}

/**
 * Uploads a file for a message. The upload resumes by itself after a broken connection. A file that no message refers
 * to is deleted after a day. Needs `uploadUrl`.
 *
 * @param db the collections of `createSessionCollections`
 * @example
 * const part = await attachFile(db, { threadId, file }).uploaded
 * db.actions.appendMessage({ threadId, role: 'user', content: 'Look', parts: [{ type: 'text', text: 'Look' }, part] })
 */
export function attachFile(db: WithContext, attached: AttachedFile): PendingAttachment {
  const { uploads, onError } = contextOf(db)
  const { file, threadId, id = createId(), onProgress, partBytes } = attached
  return startUpload(
    () => createUploadRequests(uploads, '/attachments'),
    id,
    onError,
    async (send) => {
      const filename = file.name || undefined
      const metadata = { id, thread: threadId, ...(filename !== undefined && { filename }) }
      const { mediaType } = await send({ file, metadata, onProgress, partBytes })
      return {
        type: 'file',
        mediaType: mediaType ?? 'application/octet-stream',
        ...(filename !== undefined && { filename }),
        url: `${uploadBase(uploads.uploadUrl)}/attachments/${encodeURIComponent(id)}`,
        providerMetadata: { sessionDb: { attachmentId: id } },
      }
    },
  )
}
