import type { JsonValue } from '../schema/fields.ts'

/**
 * Parses the beginning of a JSON text, as it is while a model writes a tool's input. Open strings, literals,
 * arrays and objects are completed; a property without a value is left out.
 *
 * @returns undefined if there is no value yet
 * @example
 * parsePartialJson('{"city": "Ber') // { city: 'Ber' }
 */
export function parsePartialJson(text: string): JsonValue | undefined {
  return parse(text) ?? parse(completed(text))
}

function parse(text: string): JsonValue | undefined {
  try {
    // The AI SDK refuses keys that could pollute a prototype.
    return /"__proto__"\s*:/.test(text) ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

const STRING = /"(?:[^"\\]|\\u[\da-fA-F]{4}|\\[^u])*/y
const NUMBER = /-?\d(?:[\d.eE+-]*\d)?/y
const WORD = /[a-z]+/y

/** Cuts a text after its last complete value and appends what closes it. */
function completed(text: string): string {
  const open: string[] = []
  let [end, closing] = [0, '']
  let isKeyNext = false
  let at = 0

  function mark(position: number, rest = ''): void {
    end = position
    closing = rest + open.toReversed().join('')
  }

  function match(pattern: RegExp): string {
    pattern.lastIndex = at
    return pattern.exec(text)?.[0] ?? ''
  }

  while (at < text.length) {
    const char = text[at] ?? ''
    if (char === '"') {
      const string = match(STRING)
      const isClosed = text[at + string.length] === '"'
      if (!isKeyNext) mark(at + string.length + (isClosed ? 1 : 0), isClosed ? '' : '"')
      if (!isClosed) break
      isKeyNext = false
      at += string.length + 1
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? '}' : ']')
      isKeyNext = char === '{'
      at += 1
      mark(at)
    } else if (char === '}' || char === ']') {
      open.pop()
      at += 1
      mark(at)
      isKeyNext = false
    } else if (/[-\d]/.test(char)) {
      const number = match(NUMBER)
      if (number !== '') mark(at + number.length)
      at += Math.max(1, number.length)
    } else if (/[a-z]/.test(char)) {
      const word = match(WORD)
      const whole = ['true', 'false', 'null'].find((literal) => literal.startsWith(word))
      if (whole !== undefined) mark(at + word.length, whole.slice(word.length))
      at += word.length
    } else {
      if (char === ',') isKeyNext = open.at(-1) === '}'
      at += 1
    }
  }
  return text.slice(0, end) + closing
}
