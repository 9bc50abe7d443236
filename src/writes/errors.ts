import { z } from 'zod'
import { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

export { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

/** A failure as it crosses the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = z.object({
  error: z.object({
    code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
})

export type WriteFailure = z.output<typeof writeFailureSchema>

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
