import { SessionDbError } from '../errors.ts'

/**
 * Last segment of the path that lists the audiences of the principal. No shape can have this name: theirs start
 * with a letter.
 */
export const AUDIENCES_NAME = '_audiences'

/** The subset of a page used here; absent outside a browser. */
interface Page {
  readonly location?: { readonly origin: string }
}

/**
 * Returns the absolute URL of a named shape.
 *
 * @param electricUrl base URL of the app's shape proxy; a relative one is resolved against the page's origin
 * @throws SessionDbError `invalid` when the URL is relative and there is no page
 */
export function shapeUrl(electricUrl: string, name: string): string {
  return `${shapesUrl(electricUrl)}/${name}`
}

/** Returns the absolute base URL of all shapes, without a trailing slash. */
export function shapesUrl(electricUrl: string): string {
  const path = electricUrl.replace(/\/+$/, '')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) return path
  const origin = (globalThis as Page).location?.origin
  if (origin === undefined) {
    throw new SessionDbError(
      'invalid',
      `electricUrl '${electricUrl}' is relative, and there is no page to resolve it against. Use an absolute URL.`,
    )
  }
  return new URL(path, origin).href
}
