import { codeOfStatus, SessionDbError } from '../../errors.ts'
import { fromWriteFailure, writeFailureSchema } from '../../writes/errors.ts'

/** Reads the error of a response of the upload route. */
export async function failureOf(response: Response): Promise<SessionDbError> {
  const body: unknown = await response.json().catch(() => undefined)
  const failure = writeFailureSchema.safeParse(body)
  if (failure.success) return fromWriteFailure(failure.data)
  const { status } = response
  if (status === 413) {
    const message = 'A proxy refused a chunk of the file as too large. Set a smaller partBytes.'
    return new SessionDbError('too_large', message)
  }
  const code = codeOfStatus(status) ?? (status >= 500 ? 'unavailable' : 'invalid')
  return new SessionDbError(code, `The upload route answered ${status}.`)
}

/**
 * Returns the base URL of the upload route.
 *
 * @throws SessionDbError `invalid` when the app has passed none.
 */
export function uploadBase(uploadUrl: string | undefined): string {
  if (uploadUrl !== undefined) return uploadUrl.replace(/\/+$/, '')
  const message =
    'uploadUrl is missing. Pass the URL of the app’s upload route to createSessionCollections.'
  throw new SessionDbError('invalid', message)
}
