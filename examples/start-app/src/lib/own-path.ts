const BASE = 'http://app.invalid'

/**
 * Returns a path of this app, or the first page for any other URL: no open redirects. It is parsed as a
 * browser would, which drops tabs and line breaks and takes `\` for `/`.
 */
export function ownPath(path: unknown): string {
  if (typeof path !== 'string' || !path.startsWith('/') || !URL.canParse(path, BASE)) return '/'
  const { origin, pathname, search, hash } = new URL(path, BASE)
  // A pathname such as that of `/.//evil.example` would be another host when it is parsed again.
  return origin === BASE && !pathname.startsWith('//') ? pathname + search + hash : '/'
}
