import { SessionDbError, toWriteFailure } from '../../writes/errors.ts'

/**
 * Creates the response for an error: uncached JSON, `{ error: { code, message, details? } }`, and
 * Retry-After for a `details.retryAfterMs`.
 *
 * @param headers additional headers, for example `Allow` or `Retry-After`.
 * @param status overrides the HTTP status of the error's code.
 */
export function failureResponse(
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
  status: number = error instanceof SessionDbError ? error.status : 503,
): Response {
  return Response.json(toWriteFailure(error), {
    status,
    headers: {
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...retryAfter(error),
      ...headers,
    },
  })
}

function retryAfter(error: unknown): Record<string, string> {
  const waitMs = error instanceof SessionDbError ? error.details?.retryAfterMs : undefined
  return typeof waitMs === 'number' ? { 'retry-after': String(Math.ceil(waitMs / 1000)) } : {}
}
