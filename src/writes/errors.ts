import * as z from 'zod/mini'
import { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'
import type { JsonValue } from '../schema/fields.ts'

/** A failure on the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = /* @__PURE__ */ (() =>
  z.object({
    error: z.object({
      code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      // Typed as JSON so that frameworks accept it as the return value of a server function.
      details: z.optional(z.record(z.string(), z.custom<JsonValue>())),
    }),
  }))()

export { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

export type WriteFailure = z.output<typeof writeFailureSchema>

/** Returns true for errors that may go away on retry: the server didn't refuse the request. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof SessionDbError &&
    (error.code === 'unavailable' || error.code === 'rate_limited')
  )
}

/** Returns a `SessionDbError` unchanged and wraps any other error as `unavailable` with the given message. */
export function toSessionDbError(cause: unknown, message: string): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  return new SessionDbError('unavailable', message, { cause })
}

/** Converts an error to its wire form. Unexpected errors become `unavailable` without their message. */
export function toWriteFailure(error: unknown): WriteFailure {
  if (!(error instanceof SessionDbError)) {
    const message = 'The server could not apply the write. Try again with the same batch id.'
    return { error: { code: 'unavailable', message } }
  }
  const { code, message, details } = error
  if (details === undefined) return { error: { code, message } }
  return { error: { code, message, details: { ...details } as Record<string, JsonValue> } }
}

/** Converts a failure from the wire back to the error that was thrown on the server. */
export function fromWriteFailure(failure: WriteFailure): SessionDbError {
  const { code, message, details } = failure.error
  return new SessionDbError(code, message, { details })
}

/** Creates the 401 response of a server, for requests that the client answers itself to end a stream. */
export function unauthenticated(message: string): Response {
  const failure: WriteFailure = { error: { code: 'unauthenticated', message } }
  return Response.json(failure, { status: 401 })
}
