import { SessionDbError } from '../../writes/errors.ts'
import { ClientLeftError } from './request-body.ts'

/**
 * Returns whether clients see less of an error than there is: bugs, and failures of the database. A
 * refusal with a cause, such as a taken id, is complete, and a client that left is no error.
 */
export function hidesItsCause(error: unknown): boolean {
  if (error instanceof ClientLeftError) return false
  return !(error instanceof SessionDbError) || (error.cause !== undefined && error.status >= 500)
}

/** Calls `onError`. Its exceptions are ignored, so that reporting cannot change a response. */
export function reportError(
  error: unknown,
  onError: (error: unknown) => void = console.error,
): void {
  try {
    onError(error)
  } catch {}
}
