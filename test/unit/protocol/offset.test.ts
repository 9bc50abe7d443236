import { expect, test } from 'vitest'
import {
  AFTER_SNAPSHOT,
  compareOffsets,
  formatOffset,
  nextOffset,
  parseOffset,
} from '../../../src/dev/protocol/offset.ts'
import { fc } from '../../support/property.ts'

const offset = fc.record({
  tx: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  op: fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY)),
})

test('parses what it formats', () => {
  fc.assert(
    fc.property(offset, (value) => {
      expect(parseOffset(formatOffset(value))).toEqual(value)
    }),
  )
})

test('orders the next offset after the given one and before any later transaction', () => {
  fc.assert(
    fc.property(offset, (value) => {
      expect(compareOffsets(nextOffset(value), value)).toBeGreaterThan(0)
      expect(compareOffsets(nextOffset(value), { tx: value.tx + 2n, op: 0 })).toBeLessThan(0)
    }),
  )
})

test('gives move events before the first change the offset 1_0', () => {
  expect(formatOffset(nextOffset(AFTER_SNAPSHOT))).toBe('1_0')
})

test.each(['', '1', 'abc', '-2_0', '1_', '_1', '1_2_3', '1_INF', ' 1_2'])(
  'rejects "%s"',
  (text) => {
    expect(parseOffset(text)).toBeUndefined()
  },
)
