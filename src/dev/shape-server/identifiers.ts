/** Thrown for an invalid name, with the engine's message. */
export class IdentifierError extends Error {
  override name = 'IdentifierError'
}

/** Postgres truncates longer names; the engine refuses them. */
const MAX_LENGTH = 63

/** Parses one SQL identifier. Unquoted ones are folded to lower case (ASCII letters only). */
function parseIdentifier(text: string): string {
  const isQuoted = text.startsWith('"') && text.endsWith('"')
  const name = isQuoted ? quotedName(text.slice(1, -1)) : unquotedName(text)
  if ([...name].length > MAX_LENGTH) {
    throw new IdentifierError(`Identifier is too long (max length is ${MAX_LENGTH})`)
  }
  return name
}

function quotedName(inner: string): string {
  if (inner === '') throw new IdentifierError('Invalid zero-length delimited identifier')
  if (/(?<!")"(?!")/.test(inner)) {
    throw new IdentifierError(`Invalid identifier with unescaped quote: ${inner}`)
  }
  return inner.replaceAll('""', '"')
}

function unquotedName(text: string): string {
  if (text === '') throw new IdentifierError('Invalid zero-length delimited identifier')
  if (!/^[\p{L}_][\p{L}\p{M}_0-9$]*$/u.test(text)) {
    throw new IdentifierError(`Invalid unquoted identifier contains special characters: ${text}`)
  }
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/**
 * Parses a table name with or without schema. The default schema is `public`.
 *
 * @throws IdentifierError
 * @example
 * parseRelation('app."Items"') // ['app', 'Items']
 */
export function parseRelation(text: string): readonly [schema: string, table: string] {
  const parts = splitOutsideQuotes(text, '.')
  if (parts.length > 2) {
    throw new IdentifierError(`Invalid relation identifier, too many delimiters: ${text}`)
  }
  const [first = '', second] = parts
  return second === undefined
    ? ['public', parseIdentifier(first)]
    : [parseIdentifier(first), parseIdentifier(second)]
}

/**
 * Parses a list of columns, separated by commas without spaces.
 *
 * @throws IdentifierError
 * @example
 * parseColumns('id,"userName"') // ['id', 'userName']
 */
export function parseColumns(text: string): string[] {
  return splitOutsideQuotes(text, ',').map(parseIdentifier)
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let quoted = false
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted
    if (text[i] === separator && !quoted) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

/** Quotes a name for SQL. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a text for SQL, independent of `standard_conforming_strings`. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
