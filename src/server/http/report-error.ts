import { SessionDbError } from '../../writes/errors.ts'

/**
 * Returns whether clients see less of an error than there is: bugs, and failures of the database. A
 * refusal with a cause, such as a taken id, is complete.
 */
export function hidesItsCause(error: unknown): boolean {
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
