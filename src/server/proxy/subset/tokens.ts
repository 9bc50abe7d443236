/** A word of a subset's condition: a column in quotes or bare, a parameter, or what stands between. */
export type Token =
  | { readonly kind: 'column'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'sign'; readonly text: string }

const TOKEN =
  /\s*(?:"((?:[^"\0]|"")+)"|([A-Za-z_][A-Za-z0-9_]*)|\$(\d{1,4})(?!\d)|(<>|!=|<=|>=|[=<>(),]))/y

/**
 * Cuts a condition into tokens. There are no literals, comments, casts or semicolons: a client's
 * values come as parameters.
 *
 * @returns undefined where the text holds anything else.
 * @example
 * tokensOf('"id" = $1') // column id, sign =, param 1
 */
export function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = []
  const source = text.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source)
    if (match === null) return undefined
    const [, column, word, param, sign] = match
    if (column !== undefined) tokens.push({ kind: 'column', text: column.replaceAll('""', '"') })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (param !== undefined) tokens.push({ kind: 'param', index: Number(param) })
    else tokens.push({ kind: 'sign', text: sign ?? '' })
  }
  return tokens
}
