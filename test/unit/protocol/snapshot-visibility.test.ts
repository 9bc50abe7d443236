import { expect, test } from 'vitest'
import { isVisible, parseSnapshot } from '../../../src/dev/protocol/snapshot-visibility.ts'

const epoch = 2n ** 32n

test('sees transactions that had ended, not running or later ones', () => {
  const snapshot = parseSnapshot('100:110:103,107')
  expect([99, 100, 102, 106].every((xid) => isVisible(snapshot, xid))).toBe(true)
  expect([103, 107, 110, 111].some((xid) => isVisible(snapshot, xid))).toBe(false)
})

test("compares the stream's 32-bit ids across epochs", () => {
  const snapshot = parseSnapshot(`${epoch + 10n}:${epoch + 20n}:${epoch + 15n}`)
  expect(isVisible(snapshot, 12)).toBe(true)
  expect(isVisible(snapshot, 15)).toBe(false)
  expect(isVisible(snapshot, 25)).toBe(false)
  // Just before the wraparound: of the epoch before.
  expect(isVisible(snapshot, 2 ** 32 - 5)).toBe(true)
  // Just after it, seen from the end of an epoch: of the next one.
  expect(isVisible(parseSnapshot(`${epoch - 3n}:${epoch - 1n}:`), 2)).toBe(false)
})

test('throws for a text that is not a snapshot', () => {
  expect(() => parseSnapshot('10:20')).toThrow('not a pg_snapshot')
})
