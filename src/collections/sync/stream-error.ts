import { FetchError } from '@electric-sql/client'
import { codeOfStatus, type ErrorCode, errorStatus, SessionDbError } from '../../errors.ts'

const HINTS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Sign in again, then call restart().',
  forbidden: 'This user may not read it.',
  not_found: 'The server has no shape of this name. Check electricUrl.',
  invalid: 'The server did not accept the parameters.',
}

/**
 * Converts the error that ended a shape stream to a `SessionDbError`.
 *
 * @param shape name and parameters of the shape, for example `thread-messages?threadId=t1`
 */
export function toStreamError(error: unknown, shape: string): SessionDbError {
  if (error instanceof SessionDbError) return error
  const failed = (code: ErrorCode, message: string, details = {}) =>
    new SessionDbError(code, message, { details: { shape, ...details }, cause: error })
  if (!(error instanceof FetchError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return failed('unavailable', `The stream of ${shape} stopped: ${reason}`)
  }
  const { status } = error
  if (isHalfAnswer(error)) {
    return failed(
      'unavailable',
      `The server of ${shape} closed the connection early. The stream retries by itself.`,
    )
  }
  const code = codeOf(error)
  const hint = HINTS[code] ?? 'Try again later.'
  return failed(code, `The server refused ${shape} with ${status}. ${hint}`, { status })
}

/** Checks whether the connection broke while a successful answer was read, which a retry solves. */
export function isHalfAnswer(error: unknown): boolean {
  return error instanceof FetchError && error.status >= 200 && error.status < 300
}

function codeOf(error: FetchError): ErrorCode {
  const code = (error.json as { readonly error?: { readonly code?: unknown } } | undefined)?.error
    ?.code
  if (isErrorCode(code)) return code
  return codeOfStatus(error.status) ?? (error.status < 500 ? 'invalid' : 'unavailable')
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorStatus, value)
}
