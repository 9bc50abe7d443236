import { SessionDbError } from '../../errors.ts'

/** The part of a page this needs; absent outside a browser. */
interface Page {
  readonly location?: { readonly origin: string }
}

/**
 * The absolute URL of a named shape.
 *
 * @param electricUrl base of the app's shape proxy; a relative one belongs to the page's origin
 * @throws SessionDbError `invalid` when the URL is relative and there is no page
 */
export function shapeUrl(electricUrl: string, name: string): string {
  return `${shapesUrl(electricUrl)}/${name}`
}

/** The absolute URL that the shapes have in common, without a slash at its end. */
export function shapesUrl(electricUrl: string): string {
  const path = electricUrl.replace(/\/+$/, '')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) return path
  const origin = (globalThis as Page).location?.origin
  if (origin === undefined) {
    throw new SessionDbError(
      'invalid',
      `electricUrl '${electricUrl}' is relative, and there is no page: give the full URL.`,
    )
  }
  return new URL(path, origin).href
}
