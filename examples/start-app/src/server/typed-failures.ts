import {
  fromWriteFailure,
  SessionDbError,
  toWriteFailure,
  type WriteFailure,
} from '@org/session-db'
import { createMiddleware } from '@tanstack/react-start'

/** Answers an error as `{ error: { code, message, details? } }` with the status that fits its code. */
export function failureResponse(error: unknown): Response {
  const status = error instanceof SessionDbError ? error.status : 503
  return Response.json(toWriteFailure(error), { status })
}

/**
 * Carries errors across a server function: on the server whatever is thrown below becomes a typed
 * answer with the right HTTP status, in the browser that answer is thrown as a `SessionDbError`.
 */
export const typedFailures = createMiddleware({ type: 'function' })
  .client(async ({ next }) => {
    try {
      return await next()
    } catch (error) {
      throw error instanceof Response ? await readFailure(error) : error
    }
  })
  .server(async ({ next }) => {
    try {
      return await next()
    } catch (error) {
      // An answer that was thrown, such as a redirect, is one already.
      if (error instanceof Response) throw error
      if (!(error instanceof SessionDbError)) console.error(error)
      throw failureResponse(error)
    }
  })

async function readFailure(response: Response): Promise<SessionDbError> {
  try {
    return fromWriteFailure((await response.json()) as WriteFailure)
  } catch (cause) {
    const message = `The server answered ${response.status}. Try again in a moment.`
    return new SessionDbError('unavailable', message, { cause })
  }
}
