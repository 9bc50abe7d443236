/** A path of this app to go on to; the first page for whatever else an address may name. */
export function ownPath(path: unknown): string {
  const isOwn = typeof path === 'string' && /^\/(?![/\\])/.test(path)
  return isOwn ? path : '/'
}
