/** The error codes with their HTTP status. */
export const errorStatus = {
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  invalid: 400,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
  sync_timeout: 504,
} as const

export type ErrorCode = keyof typeof errorStatus

/** Returns the code for an HTTP status, or undefined. */
export function codeOfStatus(status: number): ErrorCode | undefined {
  const codes = Object.keys(errorStatus) as ErrorCode[]
  return codes.find((code) => errorStatus[code] === status)
}

// The browser and server entries are bundled separately, each with its own copy of the class. `instanceof`
// checks this mark, so it works whichever copy threw.
const MARK = Symbol.for('@org/session-db/SessionDbError')

/**
 * The error class of this library. `code` is stable, `message` explains what to do, and `details` is safe to
 * show to the caller.
 *
 * @example
 * try {
 *   await store.write(principal, batch)
 * } catch (error) {
 *   if (error instanceof SessionDbError && error.code === 'conflict') reload()
 * }
 */
export class SessionDbError extends Error {
  override readonly name = 'SessionDbError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>> | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
    // Not a declared member, which would make the two copies incompatible types.
    Object.defineProperty(this, MARK, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): value is SessionDbError {
    return typeof value === 'object' && value !== null && Reflect.get(value, MARK) === true
  }

  /** The HTTP status for this error's code. */
  get status(): number {
    return errorStatus[this.code]
  }
}
