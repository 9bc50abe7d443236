import { SessionDbError, toWriteFailure } from '../writes/errors.ts'

/**
 * Answers an error as typed JSON, `{ error: { code, message, details? } }`, never cached.
 *
 * @param headers further headers, for example `Allow` or `Retry-After`.
 * @param status replaces the HTTP status that belongs to the error's code.
 */
export function failureResponse(
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
  status: number = error instanceof SessionDbError ? error.status : 503,
): Response {
  return Response.json(toWriteFailure(error), {
    status,
    headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers },
  })
}
