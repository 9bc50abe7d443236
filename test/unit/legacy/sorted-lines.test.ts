import { expect, test } from 'vitest'
import { createSortedLines } from '../../../src/legacy/import/sorted-lines.ts'
import { fc } from '../../support/property.ts'

const line = fc.record({
  thread: fc.nat(3),
  position: fc.nat(),
  text: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('é😀'.repeat(20))),
})

test('lines come out whole, sorted, once, whatever their length', () => {
  const property = fc.property(
    fc.array(fc.array(line)),
    fc.integer({ min: 1, max: 64 }),
    (rounds, capacity) => {
      const lines = createSortedLines(capacity)
      for (const round of rounds) {
        for (const { thread, position, text } of round) lines.add(thread, position, text)
        expect(lines.count).toBe(round.length)
        const sorted = round.toSorted((a, b) => a.thread - b.thread || a.position - b.position)
        expect(lines.take().toString('utf8')).toBe(sorted.map(({ text }) => text).join(''))
      }
    },
  )
  fc.assert(property)
})

test('they are full before a line that may not fit, but never without any', () => {
  const lines = createSortedLines(10)
  expect(lines.isFullFor(100)).toBe(false)
  lines.add(1, 1, 'abcd')
  expect(lines.isFullFor(2)).toBe(false)
  expect(lines.isFullFor(3)).toBe(true)
  lines.take()
  expect(lines.isFullFor(3)).toBe(false)
})

test('what was taken stays as it is while the next is taken', () => {
  const lines = createSortedLines(4)
  lines.add(1, 1, 'one')
  const first = lines.take()
  lines.add(1, 2, 'another')
  expect(lines.take().toString()).toBe('another')
  expect(first.toString()).toBe('one')
})
