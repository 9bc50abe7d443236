import { z } from 'zod'
import { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'
import type { JsonValue } from '../schema/fields.ts'

export { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

/** A failure as it crosses the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = /* @__PURE__ */ (() =>
  z.object({
    error: z.object({
      code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      // As a type JSON, so that frameworks which check what a server function returns let it pass.
      details: z.record(z.string(), z.custom<JsonValue>()).optional(),
    }),
  }))()

export type WriteFailure = z.output<typeof writeFailureSchema>

/** Turns an error into what may cross the wire; anything unexpected becomes `unavailable`. */
export function toWriteFailure(error: unknown): WriteFailure {
  if (!(error instanceof SessionDbError)) {
    const message = 'The write could not be made just now. Try again with the same batch id.'
    return { error: { code: 'unavailable', message } }
  }
  const { code, message, details } = error
  if (details === undefined) return { error: { code, message } }
  return { error: { code, message, details: { ...details } as Record<string, JsonValue> } }
}

/** Turns a failure from the wire back into the error that was thrown on the server. */
export function fromWriteFailure(failure: WriteFailure): SessionDbError {
  const { code, message, details } = failure.error
  return new SessionDbError(code, message, details === undefined ? {} : { details })
}
