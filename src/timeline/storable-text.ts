/** Longest text preview, in UTF-16 code units. */
const PREVIEW_LIMIT = 4_000

const NOT_STORABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Most texts have none of these, and are told by one look. */
const SUSPECT = /[\0\uD800-\uDFFF]/

/**
 * Replaces what Postgres cannot store (U+0000 and lone surrogates) by U+FFFD.
 *
 * @param onReplaced hears how many characters were replaced, if any.
 */
export function storableText(text: string, onReplaced?: (count: number) => void): string {
  if (!SUSPECT.test(text)) return text
  let count = 0
  const storable = text.replace(NOT_STORABLE, () => {
    count += 1
    return '\uFFFD'
  })
  if (count > 0) onReplaced?.(count)
  return storable
}

/**
 * Cuts a long text and says how much is missing. Never cuts through a surrogate pair.
 *
 * @param limit in UTF-16 code units; what is kept has at most this many.
 * @example
 * boundedText('abcdef', 3) // 'abc… [3 more characters]'
 */
export function boundedText(text: string, limit: number = PREVIEW_LIMIT): string {
  if (text.length <= limit) return text
  const code = text.charCodeAt(limit - 1)
  const end = code >= 0xd800 && code <= 0xdbff ? limit - 1 : limit
  return `${text.slice(0, end)}… [${text.length - end} more characters]`
}
