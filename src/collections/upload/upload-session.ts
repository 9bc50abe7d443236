import { SessionDbError } from '../../errors.ts'
import type { Session, SessionInsert } from '../../schema/session.ts'
import { isTransient } from '../../writes/errors.ts'
import { contextOf, type WithContext } from '../actions/context.ts'
import { createId } from '../create-id.ts'
import { pause } from '../sync/network.ts'
import { createUploadRequests, type UploadRequests, type UploadState } from './upload-requests.ts'

/** The progress of an upload. */
export interface UploadProgress {
  /** Bytes that the server has stored. */
  readonly uploadedBytes: number
  readonly totalBytes: number
  /** True while the connection is broken and the upload waits to resume. */
  readonly retrying: boolean
}

/** A file to create a session from. */
export interface SessionUpload extends Omit<SessionInsert, 'id' | 'title'> {
  readonly file: Blob & { readonly name?: string }
  /**
   * The session's id; generated unless given. With the id of an interrupted upload, for example after
   * the page was closed, and the same file, the upload resumes where it was.
   */
  readonly id?: string
  /** Defaults to the file's name, which the first prompt in the file then replaces. */
  readonly title?: string
  /** Called with the progress after each chunk that the server has stored, and before each retry. */
  readonly onProgress?: (progress: UploadProgress) => void
  /**
   * The file is a log that may have been uploaded before, in an earlier state. If the user has a session
   * of the same agent session, that session takes the file, and this one is deleted. Default: false.
   */
  readonly growing?: boolean
  /** Bytes per request, for proxies that allow only small bodies. Default 8 MiB. */
  readonly partBytes?: number
}

/** An upload in progress. */
export interface PendingUpload {
  /** The session's id, also before the server has answered. */
  readonly id: string
  /**
   * Resolves when the server has the whole file: with `ready`, or with `pending` while the timeline
   * of a large one is still being derived, which the session's row shows. `sessionId` is set when an
   * earlier session took a `growing` log. Rejects with a
   * `SessionDbError`: `conflict` after `abort`. It is safe to ignore.
   */
  readonly uploaded: Promise<{ readonly status: Session['status']; readonly sessionId?: string }>
  /** Stops the upload and deletes what the server has stored of it. */
  abort(): Promise<void>
}

const DEFAULT_PART_BYTES = 8 * 1024 * 1024

/**
 * Creates a session from a file. The file is sent in chunks, and the upload resumes by itself after a
 * broken connection. Needs `uploadUrl`.
 *
 * @param db the collections of `createSessionCollections`
 * @example
 * const upload = uploadSession(db, { file, onProgress: ({ uploadedBytes }) => show(uploadedBytes) })
 * await upload.uploaded // or upload.abort()
 */
export function uploadSession(db: WithContext, upload: SessionUpload): PendingUpload {
  const { uploads, onError } = contextOf(db)
  const id = upload.id ?? createId()
  return startUpload(
    () => createUploadRequests(uploads),
    id,
    onError,
    async (send) => {
      const { file, onProgress, partBytes, growing, ...session } = upload
      const name = file.name ?? 'Session'
      const insert = { title: name, originalName: name, ...session, id }
      const metadata = { session: JSON.stringify(insert), ...(growing && { growing: '' }) }
      const { status, sessionId = id } = await send({ file, onProgress, partBytes, metadata })
      return sessionId === id ? { status } : { status, sessionId }
    },
  )
}

/**
 * Starts an upload that can be aborted.
 *
 * @param run sends the file, and returns what the upload resolves with
 */
export function startUpload<Result>(
  requests: () => UploadRequests,
  id: string,
  onError: (error: SessionDbError) => void,
  run: (send: (file: Omit<SentFile, 'id'>) => Promise<UploadState>) => Promise<Result>,
) {
  const aborting = new AbortController()
  const uploaded = run((file) => sendFile(requests(), { id, ...file }, aborting.signal))
  uploaded.catch((error: SessionDbError) => {
    if (!aborting.signal.aborted) onError(error)
  })
  return {
    id,
    uploaded,
    async abort() {
      aborting.abort()
      await uploaded.catch(() => undefined)
      await requests().remove(id)
    },
  }
}

/** A file to send. */
interface SentFile {
  readonly id: string
  readonly file: Blob
  /** Tells the server about the file before it is sent. */
  readonly metadata: Readonly<Record<string, string>>
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined
  readonly partBytes?: number | undefined
}

/** Sends a file in chunks. After a failure it resumes at the offset that the server returns. */
async function sendFile(
  requests: UploadRequests,
  upload: SentFile,
  signal: AbortSignal,
): Promise<UploadState> {
  const { file, metadata, onProgress, partBytes = DEFAULT_PART_BYTES } = upload
  const totalBytes = file.size
  const report = (uploadedBytes: number, retrying: boolean) =>
    onProgress?.({ uploadedBytes, totalBytes, retrying })

  let at = 0
  const attempt = createRetry(signal, () => report(at, true))
  let state: UploadState = await attempt(() => requests.create(metadata, { totalBytes }, signal))
  at = state.offset
  report(at, false)
  // An empty file, complete from the start, still takes one request to be declared complete.
  for (let first = true; first || at < totalBytes; first = false) {
    if (state.status !== 'pending') break
    let broken = false
    state = await attempt(async () => {
      // After a failure, only the server knows how much of the chunk has arrived.
      if (broken) {
        const stored = await requests.state(upload.id, signal)
        if (stored.offset !== at) return stored
      }
      broken = true
      return requests
        .append(upload.id, at, file.slice(at, at + partBytes), signal)
        .catch(resumeAtServersOffset)
    })
    at = state.offset
    report(at, false)
  }
  return state
}

/** A conflict means that an earlier request, assumed lost, has arrived after all. */
function resumeAtServersOffset(error: unknown): UploadState {
  const offset = error instanceof SessionDbError ? error.details?.receivedBytes : undefined
  if (typeof offset !== 'number') throw error
  return { offset, status: 'pending', sessionId: undefined }
}

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 15_000
/** Consecutive failures; with the delays above about four minutes without a connection. */
const MAX_FAILURES = 20

/**
 * Creates a function that retries requests over a connection that may break: `unavailable` and
 * `rate_limited` are retried with growing pauses, up to 20 times in a row.
 *
 * @param onRetry called before each pause
 */
function createRetry(
  signal: AbortSignal,
  onRetry: () => void,
): <Result>(work: () => Promise<Result>) => Promise<Result> {
  return async (work) => {
    for (let failures = 0; ; ) {
      if (signal.aborted) throw abortedError()
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) throw abortedError()
        failures += 1
        if (failures >= MAX_FAILURES || !isTransient(error)) throw error
        onRetry()
        const longest = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), LONGEST_DELAY_MS)
        await pause(Math.random() * longest, signal)
      }
    }
  }
}

function abortedError(): SessionDbError {
  return new SessionDbError('conflict', 'The upload was aborted.')
}
