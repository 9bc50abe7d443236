import { SessionDbError } from '../../errors.ts'
import type { Session } from '../../schema/session.ts'
import type { KeepSignedIn } from '../sync/auth-refresh.ts'
import { resilient } from './resilient.ts'
import { createUploadRequests, type UploadAnswer } from './upload-requests.ts'
import type { SessionUpload, UploadOptions } from './upload-session.ts'

/** Where uploads go. */
export interface UploadRoute {
  readonly options: Partial<UploadOptions>
  /** Sends what was refused for an old sign-in once more after a new one. */
  readonly keep: KeepSignedIn
}

/** How much goes in one request, in bytes, unless the caller says so. */
const PART_BYTES = 8 * 1024 * 1024

/** Sends a file in parts, and goes on where the server says after whatever has failed. */
export async function sendUpload(
  route: UploadRoute,
  upload: SessionUpload & { readonly id: string },
  signal: AbortSignal,
): Promise<{ readonly status: Session['status'] }> {
  const { file, onProgress, partBytes = PART_BYTES, ...session } = upload
  const requests = createUploadRequests(route.options, route.keep)
  const totalBytes = file.size
  const report = (uploadedBytes: number, retrying: boolean) =>
    onProgress?.({ uploadedBytes, totalBytes, retrying })
  const name = file.name ?? 'Session'
  const insert = { title: name, originalName: name, ...session }

  let at = 0
  const attempt = resilient(signal, () => report(at, true))
  let answer: UploadAnswer = await attempt(() => requests.create(insert, totalBytes, signal))
  at = answer.offset
  report(at, false)
  // An empty file is complete from the start and still has to be said to be.
  for (let first = true; first || at < totalBytes; first = false) {
    if (answer.status !== 'pending') break
    let broken = false
    answer = await attempt(async () => {
      // After a failure only the server knows how much of the part arrived.
      if (broken) {
        const state = await requests.state(upload.id, signal)
        if (state.offset !== at) return state
      }
      broken = true
      return requests
        .append(upload.id, at, file.slice(at, at + partBytes), signal)
        .catch(goOnElsewhere)
    })
    at = answer.offset
    report(at, false)
  }
  return { status: answer.status }
}

/** Has the server forget what it has of an upload. */
export function removeUpload({ options, keep }: UploadRoute, id: string): Promise<void> {
  return createUploadRequests(options, keep).remove(id)
}

/** An earlier request, taken for lost, may have arrived meanwhile. */
function goOnElsewhere(error: unknown): UploadAnswer {
  const offset = error instanceof SessionDbError ? error.details?.receivedBytes : undefined
  if (typeof offset !== 'number') throw error
  return { offset, status: 'pending' }
}
