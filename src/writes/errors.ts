import { z } from 'zod'

/** Every way a call to this library can fail, with the HTTP status that says the same. */
export const errorStatus = {
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  invalid: 400,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
  sync_timeout: 504,
} as const

export type ErrorCode = keyof typeof errorStatus

/** A failure as it crosses the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = z.object({
  error: z.object({
    code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
})

export type WriteFailure = z.output<typeof writeFailureSchema>

/**
 * The one error class of this library. `code` is stable; `message` says what to do;
 * `details` holds only what the caller may know.
 *
 * @example
 * try {
 *   await store.write(principal, batch)
 * } catch (error) {
 *   if (error instanceof SessionDbError && error.code === 'conflict') reload()
 * }
 */
export class SessionDbError extends Error {
  override readonly name = 'SessionDbError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
  }

  /** The HTTP status for this error's code. */
  get status(): number {
    return errorStatus[this.code]
  }
}

/** Turns an error into what may cross the wire; anything unexpected becomes `unavailable`. */
export function toWriteFailure(error: unknown): WriteFailure {
  if (!(error instanceof SessionDbError)) {
    const message = 'The write could not be made just now. Try again with the same batch id.'
    return { error: { code: 'unavailable', message } }
  }
  const { code, message, details } = error
  return {
    error: details === undefined ? { code, message } : { code, message, details: { ...details } },
  }
}

/** Turns a failure from the wire back into the error that was thrown on the server. */
export function fromWriteFailure(failure: WriteFailure): SessionDbError {
  const { code, message, details } = failure.error
  return new SessionDbError(code, message, details === undefined ? {} : { details })
}
