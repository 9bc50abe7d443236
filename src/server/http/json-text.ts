/** Text that is not JSON, and the position of the first error. */
export interface JsonProblem {
  /** Line and column count from 1. */
  readonly line: number
  readonly column: number
}

/** Longest text in which an error is located: it takes a microsecond per token. */
const MAX_LOCATED = 256 * 1024

/**
 * Parses JSON text without throwing. In texts of more than 256 KiB an error is not located, because that
 * would take seconds: its position is undefined then.
 *
 * @example
 * parseJsonText('{"a": nope}') // { ok: false, line: 1, column: 7 }
 */
export function parseJsonText(
  text: string,
):
  | { readonly ok: true; readonly value: unknown }
  | ({ readonly ok: false } & Partial<JsonProblem>) {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch {
    if (text.length > MAX_LOCATED) return { ok: false }
    const before = text.slice(0, locateJsonError(text))
    const lineStart = before.lastIndexOf('\n') + 1
    const line = before.split('\n').length
    return { ok: false, line, column: before.length - lineStart + 1 }
  }
}

type Expectation = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or end'

interface Token {
  readonly kind: string
  readonly end: number
}

const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const SPACE = /[ \t\r\n]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/**
 * Returns the offset of the first character that makes a text invalid JSON, or the text's length when
 * it ends too early. The messages of `JSON.parse` differ between engines and may have no position.
 */
export function locateJsonError(text: string): number {
  const open: string[] = []
  let expected: Expectation = 'value'
  let offset = skipSpace(text, 0)
  for (;;) {
    const token = offset < text.length ? tokenAt(text, offset) : undefined
    const next: Expectation | undefined = token && step(expected, token.kind, open)
    if (token === undefined || next === undefined) return offset
    expected = next
    offset = skipSpace(text, token.end)
  }
}

function skipSpace(text: string, offset: number): number {
  SPACE.lastIndex = offset
  SPACE.test(text)
  return SPACE.lastIndex
}

function tokenAt(text: string, offset: number): Token | undefined {
  const first = text.charAt(offset)
  if ('{}[],:'.includes(first)) return { kind: first, end: offset + 1 }
  if (first === '"') {
    const end = stringEnd(text, offset)
    return end === undefined ? undefined : { kind: 'string', end }
  }
  SCALAR.lastIndex = offset
  return SCALAR.test(text) ? { kind: 'scalar', end: SCALAR.lastIndex } : undefined
}

function stringEnd(text: string, start: number): number | undefined {
  for (let offset = start + 1; offset < text.length; offset += 1) {
    const code = text.charCodeAt(offset)
    if (code === 0x22) return offset + 1
    if (code < 0x20) return undefined
    if (code === 0x5c) {
      ESCAPE.lastIndex = offset
      if (!ESCAPE.test(text)) return undefined
      offset = ESCAPE.lastIndex - 1
    }
  }
  return undefined
}

/** Returns what may follow a token, or undefined when the token is not allowed here. */
function step(expected: Expectation, kind: string, open: string[]): Expectation | undefined {
  if (expected === 'comma or end') {
    if (kind === ',' && open.length > 0) return open.at(-1) === '{' ? 'key' : 'value'
    return closes(kind, open) ? 'comma or end' : undefined
  }
  if (expected === 'colon') return kind === ':' ? 'value' : undefined
  if (expected === 'key' || expected === 'key or }') {
    if (kind === 'string') return 'colon'
    return expected === 'key or }' && closes(kind, open) ? 'comma or end' : undefined
  }
  if (kind === 'string' || kind === 'scalar') return 'comma or end'
  if (kind === '{' || kind === '[') {
    open.push(kind)
    return kind === '{' ? 'key or }' : 'value or ]'
  }
  return expected === 'value or ]' && closes(kind, open) ? 'comma or end' : undefined
}

function closes(kind: string, open: string[]): boolean {
  const fits = (kind === '}' && open.at(-1) === '{') || (kind === ']' && open.at(-1) === '[')
  if (fits) open.pop()
  return fits
}
