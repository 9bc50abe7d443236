import { expect, test } from 'vitest'
import { locateJsonError, parseJsonText } from '../../../src/server/http/json-text.ts'
import { cases, fc } from '../../support/property.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test.each([
  ['', 0],
  ['  ', 2],
  ['nope', 0],
  ['[1,]', 3],
  ['[1 2]', 3],
  ['{"a" 1}', 5],
  ['{a:1}', 1],
  ['{"a":1,}', 7],
  ['["a\\x"]', 1],
  ['["a\nb"]', 1],
  ['[01]', 2],
  ['1}', 1],
  ['[1}', 2],
  ['{"a":"b"', 8],
])('finds the first error in %j at %i', (text, offset) => {
  expect(locateJsonError(text)).toBe(offset)
})

test('does not overflow the stack on deep nesting', () => {
  expect(locateJsonError('['.repeat(1_000_000))).toBe(1_000_000)
})

test('returns the length of every valid text, and the cut position of a truncated one or less', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, at) => {
      expect(locateJsonError(json)).toBe(json.length)
      const cut = json.slice(0, at % (json.length + 1))
      if (!isJson(cut)) expect(locateJsonError(cut)).toBeLessThanOrEqual(cut.length)
    }),
  )
})

test('agrees with JSON.parse on the text before the error', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '1', ' ', 'null', '"', '-')
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      (text) => {
        const offset = locateJsonError(text)
        if (isJson(text)) expect(offset).toBe(text.length)
        else if (offset < text.length) expect(isJson(text.slice(0, offset + 1))).toBe(false)
      },
    ),
    { numRuns: cases(500, 5_000) },
  )
})

test('an error in a large text is not located, because that takes seconds', () => {
  const text = '[{"x":1},'.repeat(900_000)
  expect(parseJsonText(text)).toEqual({ ok: false })
})
