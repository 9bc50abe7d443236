import * as z from 'zod/mini'
import { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'
import type { JsonValue } from '../schema/fields.ts'

/** A failure as it crosses the wire. `details` is safe to show to the caller. */
export const writeFailureSchema = /* @__PURE__ */ (() =>
  z.object({
    error: z.object({
      code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      // As a type JSON, so that frameworks which check what a server function returns let it pass.
      details: z.optional(z.record(z.string(), z.custom<JsonValue>())),
    }),
  }))()

export { type ErrorCode, errorStatus, SessionDbError } from '../errors.ts'

export type WriteFailure = z.output<typeof writeFailureSchema>

/** Whether it may end by itself: nothing was refused. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof SessionDbError &&
    (error.code === 'unavailable' || error.code === 'rate_limited')
  )
}

/** An error of this library as it is; any other as `unavailable`, with a message for people. */
export function toSessionDbError(cause: unknown, message: string): SessionDbError {
  if (cause instanceof SessionDbError) return cause
  return new SessionDbError('unavailable', message, { cause })
}

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
  return new SessionDbError(code, message, { details })
}

/** The answer that a server gives to somebody it does not know, made here: it ends a stream. */
export function unauthenticated(message: string): Response {
  const failure: WriteFailure = { error: { code: 'unauthenticated', message } }
  return Response.json(failure, { status: 401 })
}
