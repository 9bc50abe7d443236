/** A where clause that cannot be served, in the engine's words. */
export class WhereError extends Error {
  override name = 'WhereError'
  /** The request parameter it is reported under. */
  readonly field: string

  constructor(message: string, field = 'where') {
    super(message)
    this.field = field
  }
}

/** What the engine puts before a where clause to parse it; its positions count from behind it. */
export const wherePrefix = 'SELECT 1 WHERE '

/** An error at a byte position of the parsed text. */
export function errorAt(location: number, message: string): WhereError {
  return new WhereError(`At location ${Math.max(location - wherePrefix.length, 0)}: ${message}`)
}
