/** A file that cannot be read on; the message says what is wrong, and where. */
export class JsonFileError extends Error {
  override readonly name = 'JsonFileError'
}
