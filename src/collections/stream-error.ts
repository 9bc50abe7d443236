import { FetchError } from '@electric-sql/client'
import { codeOfStatus, type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

const HINTS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Sign in again, then call restart().',
  forbidden: 'This user may not read it.',
  not_found: 'The server has no shape of this name: check electricUrl.',
  invalid: 'The server did not accept the parameters.',
}

/**
 * Says what ended a shape stream, as the error of this library.
 *
 * @param shape name and parameters of the shape, for example `thread-messages?threadId=t1`
 */
export function toStreamError(error: unknown, shape: string): SessionDbError {
  if (error instanceof SessionDbError) return error
  if (!(error instanceof FetchError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new SessionDbError('unavailable', `The stream of ${shape} stopped: ${reason}`, {
      details: { shape },
      cause: error,
    })
  }
  if (error.status >= 200 && error.status < 300) {
    const message = `The connection broke within an answer about ${shape}. The stream tries again by itself.`
    return new SessionDbError('unavailable', message, { details: { shape }, cause: error })
  }
  const code = codeOf(error)
  const hint = HINTS[code] ?? 'Try again later.'
  return new SessionDbError(code, `The server refused ${shape} with ${error.status}. ${hint}`, {
    details: { shape, status: error.status },
    cause: error,
  })
}

function codeOf(error: FetchError): ErrorCode {
  const said = (error.json as { readonly error?: { readonly code?: unknown } } | undefined)?.error
    ?.code
  if (isErrorCode(said)) return said
  return codeOfStatus(error.status) ?? (error.status < 500 ? 'invalid' : 'unavailable')
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorStatus, value)
}
