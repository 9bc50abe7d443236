/**
 * Returns the start of a text. Never splits a surrogate pair, half of which Postgres refuses to store.
 *
 * @param limit in UTF-16 code units
 */
export function cutText(text: string, limit: number): string {
  const code = text.charCodeAt(limit - 1)
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? limit - 1 : limit)
}
