import { v7 as uuidv7 } from 'uuid'
import type { SessionDbError } from '../../errors.ts'
import type { Session, SessionInsert } from '../../schema/session.ts'
import type { KeepSignedIn } from '../sync/auth-refresh.ts'
import { removeUpload, sendUpload } from './send-upload.ts'

/** Where and how uploads are sent. */
export interface UploadOptions {
  /** The URL of the app's upload route, absolute or relative to the page. */
  readonly uploadUrl: string
  /** Headers of upload requests, for example a bearer token; asked anew for every request. */
  readonly uploadHeaders?: () => Record<string, string> | Promise<Record<string, string>>
  /** Replaces `fetch` for uploads. */
  readonly fetchClient?: typeof fetch
}

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes that the server has stored. */
  readonly uploadedBytes: number
  readonly totalBytes: number
  /** True while the connection is broken and the upload waits to go on. */
  readonly retrying: boolean
}

/** A file to make a session of. */
export interface SessionUpload extends Omit<SessionInsert, 'id' | 'title'> {
  readonly file: Blob & { readonly name?: string }
  /**
   * The session's id; a new one unless given. With the id of an upload that was broken off, for
   * example by closing the page, and the same file it goes on where it was.
   */
  readonly id?: string
  /** The file's name unless given; then the first prompt in the file replaces it. */
  readonly title?: string
  readonly onProgress?: (progress: UploadProgress) => void
  /** Bytes per request; 8 MiB unless given. Less, where a proxy allows only smaller bodies. */
  readonly partBytes?: number
}

/** An upload on its way. */
export interface PendingUpload {
  /** The session's id, known at once. */
  readonly id: string
  /**
   * Resolves when the server has the whole file: with `ready`, or with `pending` while the timeline
   * of a large one is still being made, which the session's row shows. Rejects with a
   * `SessionDbError`: `conflict` after `abort`. It is safe to ignore.
   */
  readonly uploaded: Promise<{ readonly status: Session['status'] }>
  /** Gives the upload up and has the server forget what it has of it. */
  abort(): Promise<void>
}

/**
 * Creates the action that uploads a file.
 *
 * @param keep sends what was refused for an old sign-in once more after a new one
 */
export function createUploadSession(
  options: Partial<UploadOptions>,
  keep: KeepSignedIn,
  onError: (error: SessionDbError) => void,
): (upload: SessionUpload) => PendingUpload {
  return (upload) => {
    const id = upload.id ?? uuidv7()
    const aborting = new AbortController()
    const uploaded = sendUpload({ options, keep }, { ...upload, id }, aborting.signal)
    uploaded.catch((error: SessionDbError) => {
      if (!aborting.signal.aborted) onError(error)
    })
    return {
      id,
      uploaded,
      async abort() {
        aborting.abort()
        await uploaded.catch(() => undefined)
        await removeUpload({ options, keep }, id)
      },
    }
  }
}
