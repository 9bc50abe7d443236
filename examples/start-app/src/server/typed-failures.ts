import {
  fromWriteFailure,
  SessionDbError,
  toWriteFailure,
  type WriteFailure,
} from '@org/session-db'
import { createMiddleware } from '@tanstack/react-start'

/**
 * Converts an error to the response `{ error: { code, message, details? } }` with the matching
 * status.
 */
export function failureResponse(error: unknown): Response {
  const status = error instanceof SessionDbError ? error.status : 503
  return Response.json(toWriteFailure(error), { status })
}

/**
 * Carries errors across server functions: on the server, errors become typed responses with the
 * right HTTP status; in the browser, such responses are thrown as a `SessionDbError`.
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
      // A thrown response, such as a redirect, is passed on.
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
