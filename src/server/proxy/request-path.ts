import { SessionDbError } from '../../writes/errors.ts'

const SHAPE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const AMBIGUOUS_PATH = /\/\/|\\|%(?:2f|5c|2e|25|00)/i

/**
 * Reads the shape's name: the last segment of the path, so that the proxy can be mounted anywhere.
 * A path that two parsers could read differently names no shape.
 *
 * @throws SessionDbError `not_found`.
 * @example
 * shapeNameOf(new URL('https://app.example/api/shapes/sessions')) // 'sessions'
 */
export function shapeNameOf(url: URL): string {
  const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
  if (!SHAPE_NAME.test(name) || AMBIGUOUS_PATH.test(url.pathname)) throw unknownShape()
  return name
}

/** The one answer for every path that names no shape. */
export function unknownShape(): SessionDbError {
  return new SessionDbError('not_found', 'There is no shape of this name.')
}
