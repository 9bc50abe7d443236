import { SessionDbError } from '@org/session-db'
import { createCsrfMiddleware, createMiddleware } from '@tanstack/react-start'
import { failureResponse } from './typed-failures'

/** Maximum length of a server function's request body, in bytes. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024

/**
 * Refuses cross-site writes with the user's cookie. A src/start.ts replaces Start's own check, so
 * it is repeated here. Browsers always send the origin of a write; other clients don't send cookies
 * by themselves.
 */
export const sameOriginWrites = createCsrfMiddleware({
  filter: ({ request }) => !['GET', 'HEAD', 'OPTIONS'].includes(request.method),
  allowRequestsWithoutOriginCheck: true,
  failureResponse: () =>
    failureResponse(new SessionDbError('forbidden', 'Send this from a page of this app.')),
})

/**
 * Start parses a server function's body before our code runs: refuse first what would make it fail.
 */
export const readableBodies = createMiddleware().server(async ({ request, handlerType, next }) => {
  if (handlerType === 'serverFn' && request.method === 'POST') {
    const problem = await bodyProblem(request)
    if (problem !== undefined) throw failureResponse(problem)
  }
  return next()
})

async function bodyProblem(request: Request): Promise<SessionDbError | undefined> {
  const tooLarge = `The request is longer than ${MAX_BODY_BYTES} bytes. Split it into smaller requests.`
  if (Number(request.headers.get('content-length')) > MAX_BODY_BYTES) {
    return new SessionDbError('too_large', tooLarge)
  }
  if (!request.headers.get('content-type')?.includes('application/json')) return undefined
  try {
    JSON.parse(await request.clone().text())
    return undefined
  } catch (error) {
    return error instanceof SyntaxError
      ? new SessionDbError('invalid', `The body is not JSON: ${error.message}`)
      : new SessionDbError('too_large', tooLarge)
  }
}
