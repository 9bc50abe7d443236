import { expect, test } from 'vitest'
import {
  canonicalText,
  isLiteralOf,
  parseArray,
} from '../../../src/dev/shape-server/where/literals.ts'
import { fc } from '../../support/property.ts'

test.each([
  ['7', 'int4', true],
  ['2147483648', 'int4', false],
  ['9223372036854775807', 'int8', true],
  ['9223372036854775808', 'int8', false],
  ['abc', 'int4', false],
  ['', 'int4', false],
  [' 7', 'int4', false],
  ['1.50', 'numeric', true],
  ['-1e3', 'float8', true],
  ['NaN', 'numeric', false],
  ['-Infinity', 'float8', false],
  ['.5', 'float8', false],
  ['t', 'bool', true],
  ['yes', 'bool', false],
  ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'uuid', true],
  ['{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', 'uuid', false],
  ['2024-02-29', 'date', true],
  ['2023-02-29', 'date', false],
  ['2024-13-01', 'date', false],
  ['2000-02-29', 'date', true],
  ['1900-02-29', 'date', false],
  ['0000-01-01', 'date', false],
  ['epoch', 'date', true],
  ['10:00:00.5', 'time', true],
  ['10:00', 'time', false],
  ['24:00:00', 'time', false],
  ['01:30:00 pm', 'time', true],
  ['13:30:00 PM', 'time', false],
  ['2024-01-01T23:59:60', 'timestamp', false],
  ['2024-01-01 00:00:00', 'timestamp', true],
  ['2024-01-01 00:00:00', 'timestamptz', false],
  ['2024-01-01 00:00:00-00:00', 'timestamptz', false],
  ['2024-01-15', 'timestamptz', false],
  ['2024-02-01T01:00:00+01:00', 'timestamptz', true],
  ['2024-03-01 10:00:00+00', 'timestamptz', true],
  ['{1,2,NULL}', 'int4[]', true],
  ['{1,x}', 'int4[]', false],
  ['1,2', 'int4[]', false],
])('%s as %s: %s', (value, type, expected) => {
  expect(isLiteralOf(value, type)).toBe(expected)
})

test('parses array literals back to their elements', () => {
  const element = fc.option(fc.string({ maxLength: 8 }), { nil: null })
  fc.assert(
    fc.property(fc.array(element), (elements) => {
      const quoted = elements.map((text) =>
        text === null ? 'NULL' : `"${text.replaceAll(/["\\]/g, '\\$&')}"`,
      )
      expect(parseArray(`{${quoted.join(',')}}`)).toEqual(elements)
    }),
  )
})

test('gives equal values of a type the same text', () => {
  expect(canonicalText('+007', 'int4')).toBe('7')
  expect(canonicalText('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'uuid')).toBe(
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  )
  expect([canonicalText('tru', 'bool'), canonicalText('f', 'bool')]).toEqual(['t', 'f'])
  expect(canonicalText('1.0', 'numeric')).toBeUndefined()
})
