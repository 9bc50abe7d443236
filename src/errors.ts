/** Every way a call to this library can fail, with the HTTP status that says the same. */
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

/** The code that an HTTP status stands for. */
export function codeOfStatus(status: number): ErrorCode | undefined {
  const codes = Object.keys(errorStatus) as ErrorCode[]
  return codes.find((code) => errorStatus[code] === status)
}

// The browser and the server entry are bundled apart and each holds a copy of the class: errors are
// recognised by this mark, so that `instanceof` is right whichever copy threw.
const MARK = Symbol.for('@org/session-db/SessionDbError')

/**
 * The one error class of this library. `code` is stable; `message` says what to do;
 * `details` holds only what the caller may know.
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
    // Not a member that the type knows: the two copies would be two types, each refusing the other.
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
