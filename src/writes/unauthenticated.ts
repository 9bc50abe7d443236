import type { WriteFailure } from './errors.ts'

/** The answer that a server gives to somebody it does not know, made here: it ends a stream. */
export function unauthenticated(message: string): Response {
  const failure: WriteFailure = { error: { code: 'unauthenticated', message } }
  return Response.json(failure, { status: 401 })
}
