import {
  type FunctionName,
  isFunctionName,
  type SubsetExpression,
  type SubsetOrder,
} from './expression.ts'

const MAX_DEPTH = 32

const COMPARISONS: Readonly<Record<string, FunctionName>> = {
  '=': 'eq',
  '<>': 'ne',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  LIKE: 'like',
  ILIKE: 'ilike',
}
const CALLABLE: readonly FunctionName[] = ['upper', 'lower', 'length', 'concat', 'coalesce']

/** Thrown for text outside the grammar. */
class NotInGrammar extends Error {}

/**
 * Parses the conditions that `@electric-sql/client` and TanStack DB write into `where`: columns,
 * parameters, comparisons, `AND`, `OR`, `NOT`, `IS NULL`, `LIKE`, `= ANY($n)` and a few functions.
 *
 * @returns undefined for any other text.
 * @example
 * parseCondition('"title" ILIKE $1 AND NOT ("id" = $2)')
 */
export function parseCondition(text: string): SubsetExpression | undefined {
  const tokens = tokensOf(text)
  if (tokens === undefined) return undefined
  const reader = createReader(tokens)
  try {
    const condition = readDisjunction(reader, 0)
    return reader.peek() === undefined ? condition : undefined
  } catch (error) {
    if (error instanceof NotInGrammar) return undefined
    throw error
  }
}

/**
 * Parses `"a" DESC NULLS LAST, "b"`.
 *
 * @returns undefined for any other text.
 */
export function parseOrder(text: string): SubsetOrder[] | undefined {
  const tokens = tokensOf(text)
  if (tokens === undefined) return undefined
  const reader = createReader(tokens)
  const order: SubsetOrder[] = []
  do {
    const column = reader.next()
    if (column?.kind !== 'column' && column?.kind !== 'word') return undefined
    const direction = reader.take('DESC') ? 'desc' : reader.take('ASC') ? 'asc' : undefined
    const hasNulls = reader.take('NULLS')
    const nulls = !hasNulls ? undefined : reader.take('FIRST') ? 'first' : 'last'
    if (nulls === 'last' && !reader.take('LAST')) return undefined
    order.push({ column: nameOf(column), direction, nulls })
  } while (reader.take(','))
  return reader.peek() === undefined ? order : undefined
}

type Reader = ReturnType<typeof createReader>

function createReader(tokens: readonly Token[]) {
  let at = 0
  const isNext = (expected: string) => {
    const token = tokens[at]
    if (token?.kind === 'sign') return token.text === expected
    return token?.kind === 'word' && token.text.toUpperCase() === expected
  }
  const take = (expected: string) => {
    const found = isNext(expected)
    if (found) at += 1
    return found
  }
  return {
    peek: () => tokens[at],
    next: () => tokens[at++],
    take,
    require(expected: string) {
      if (!take(expected)) throw new NotInGrammar()
    },
  }
}

function readDisjunction(reader: Reader, depth: number): SubsetExpression {
  if (depth > MAX_DEPTH) throw new NotInGrammar()
  return readJoined(reader, 'OR', 'or', () =>
    readJoined(reader, 'AND', 'and', () => readNegation(reader, depth)),
  )
}

function readJoined(
  reader: Reader,
  word: string,
  name: 'and' | 'or',
  read: () => SubsetExpression,
): SubsetExpression {
  const first = read()
  const args = [first]
  while (reader.take(word)) args.push(read())
  return args.length === 1 ? first : { type: 'func', name, args }
}

function readNegation(reader: Reader, depth: number): SubsetExpression {
  if (!reader.take('NOT')) return readComparison(reader, depth)
  if (depth > MAX_DEPTH) throw new NotInGrammar()
  return { type: 'func', name: 'not', args: [readNegation(reader, depth + 1)] }
}

function readComparison(reader: Reader, depth: number): SubsetExpression {
  const left = readValue(reader, depth)
  if (reader.take('IS')) {
    const isNot = reader.take('NOT')
    reader.require('NULL')
    const isNull: SubsetExpression = { type: 'func', name: 'isNull', args: [left] }
    return isNot ? { type: 'func', name: 'not', args: [isNull] } : isNull
  }
  for (const [operator, name] of Object.entries(COMPARISONS)) {
    if (!reader.take(operator)) continue
    if (name === 'eq' && reader.take('ANY')) return readList(reader, left)
    return { type: 'func', name, args: [left, readValue(reader, depth)] }
  }
  return left
}

function readList(reader: Reader, left: SubsetExpression): SubsetExpression {
  reader.require('(')
  const list = reader.next()
  if (list?.kind !== 'param') throw new NotInGrammar()
  reader.require(')')
  return { type: 'func', name: 'in', args: [left, { type: 'val', paramIndex: list.index }] }
}

function readValue(reader: Reader, depth: number): SubsetExpression {
  if (reader.take('(')) {
    const inner = readDisjunction(reader, depth + 1)
    reader.require(')')
    return inner
  }
  const token = reader.next()
  if (token?.kind === 'param') return { type: 'val', paramIndex: token.index }
  if (token?.kind === 'column') return { type: 'ref', column: token.text }
  if (token?.kind !== 'word') throw new NotInGrammar()
  const name = token.text.toLowerCase()
  if (reader.take('(')) return readCall(reader, name, depth)
  if (name === 'true' || name === 'false') return { type: 'constant', value: name === 'true' }
  return { type: 'ref', column: nameOf(token) }
}

function readCall(reader: Reader, name: string, depth: number): SubsetExpression {
  if (!isFunctionName(name) || !CALLABLE.includes(name)) throw new NotInGrammar()
  const args = [readDisjunction(reader, depth + 1)]
  while (reader.take(',')) args.push(readDisjunction(reader, depth + 1))
  reader.require(')')
  return { type: 'func', name, args }
}

/** Postgres folds bare names to lower case. */
function nameOf(token: Extract<Token, { kind: 'column' | 'word' }>): string {
  return token.kind === 'column' ? token.text : token.text.toLowerCase()
}

/** A token of a condition. A bare column name is a `word`. */
type Token =
  | { readonly kind: 'column'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'param'; readonly index: number }
  | { readonly kind: 'sign'; readonly text: string }

const TOKEN =
  /\s*(?:"((?:[^"\0]|"")+)"|([A-Za-z_][A-Za-z0-9_]*)|\$(\d{1,4})(?!\d)|(<>|!=|<=|>=|[=<>(),]))/y

/**
 * Splits a condition into tokens. Literals, comments, casts and semicolons are not part of the
 * grammar: values are passed as parameters.
 *
 * @returns undefined for a text with anything else in it.
 * @example
 * tokensOf('"id" = $1') // column id, sign =, param 1
 */
function tokensOf(text: string): Token[] | undefined {
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
