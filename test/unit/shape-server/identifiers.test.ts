import { expect, test } from 'vitest'
import { parseColumns, parseRelation } from '../../../src/dev/shape-server/identifiers.ts'

test.each([
  ['FooBar', ['public', 'foobar']],
  ['app."Foo.Bar"', ['app', 'Foo.Bar']],
  ['"say ""hi"""', ['public', 'say "hi"']],
  ['_val1d_schëmaΦ$.Φtàble', ['_val1d_schëmaΦ$', 'Φtàble']],
  ['"💥"', ['public', '💥']],
  ['É', ['public', 'É']],
])('parses the table %s', (text, relation) => {
  expect(parseRelation(text)).toEqual(relation)
})

test.each([
  ['', 'Invalid zero-length delimited identifier'],
  ['""', 'Invalid zero-length delimited identifier'],
  ['"', 'Invalid zero-length delimited identifier'],
  ['.a', 'Invalid zero-length delimited identifier'],
  ['1a', 'Invalid unquoted identifier contains special characters: 1a'],
  ['$a', 'Invalid unquoted identifier contains special characters: $a'],
  ['fo@o', 'Invalid unquoted identifier contains special characters: fo@o'],
  ['Foo"Bar"', 'Invalid unquoted identifier contains special characters: Foo"Bar"'],
  ['"Foo"Bar"', 'Invalid identifier with unescaped quote: Foo"Bar'],
  ['a'.repeat(64), 'Identifier is too long (max length is 63)'],
  ['a.b.c', 'Invalid relation identifier, too many delimiters: a.b.c'],
])('rejects %s: %s', (text, fault) => {
  expect(() => parseRelation(text)).toThrow(fault)
})

test('counts the length of a name in letters, not bytes', () => {
  expect(parseColumns(`${'é'.repeat(63)},"a,b",C`)).toEqual(['é'.repeat(63), 'a,b', 'c'])
})
