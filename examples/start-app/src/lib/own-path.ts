/** Returns a path of this app, or the first page for any other URL: no open redirects. */
export function ownPath(path: unknown): string {
  const isOwn = typeof path === 'string' && /^\/(?![/\\])/.test(path)
  return isOwn ? path : '/'
}
