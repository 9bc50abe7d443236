/** Thrown for a where clause, table or column that the engine refuses, with the engine's message. */
export class WhereError extends Error {
  override name = 'WhereError'
  /** The request parameter that the error is reported under. */
  readonly field: string

  constructor(message: string, field = 'where') {
    super(message)
    this.field = field
  }
}

/** The engine prepends this to a where clause to parse it; positions in errors don't count it. */
export const WHERE_PREFIX = 'SELECT 1 WHERE '

/** Creates an error at a byte position of the parsed text. */
export function errorAt(location: number, message: string): WhereError {
  return new WhereError(`At location ${Math.max(location - WHERE_PREFIX.length, 0)}: ${message}`)
}
