import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTextPace, type DeltaPiece } from '../../../src/collections/sync/text-pace.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const delta = (seq: number, text: string) => ({ messageId: 'm', seq, delta: text, part: null })

test('spreads a text over the time since the one before, and shows the first immediately', () => {
  const shown: DeltaPiece[] = []
  const pace = createTextPace((pieces) => shown.push(...pieces))
  const text = () => shown.map((piece) => piece.delta).join('')
  pace.add([delta(0, 'First. ')])
  expect(text()).toBe('First. ')
  vi.advanceTimersByTime(800)
  pace.add([delta(1, '👋'.repeat(40))])
  expect(text()).toBe('First. ')
  vi.advanceTimersByTime(400)
  const half = text().length
  expect(half).toBeGreaterThan(30)
  expect(half).toBeLessThan(60)
  vi.advanceTimersByTime(400)
  expect(text()).toBe(`First. ${'👋'.repeat(40)}`)
  // No piece ends inside a surrogate pair, and only the last one completes the delta.
  expect(shown.every((piece) => !/[\uD800-\uDBFF]$/.test(piece.delta))).toBe(true)
  expect(shown.filter(({ hasMore }) => hasMore !== true).map(({ seq }) => seq)).toEqual([0, 1])
})

test('shows text immediately after a pause, and in many streams', () => {
  const shown: DeltaPiece[] = []
  const pace = createTextPace((pieces) => shown.push(...pieces))
  pace.add([delta(0, 'a'.repeat(100))])
  vi.advanceTimersByTime(5_000)
  pace.add([delta(1, 'b'.repeat(100))])
  vi.advanceTimersByTime(10)
  pace.add([delta(2, 'c'.repeat(100))])
  expect(shown.map(({ seq }) => seq)).toEqual([0, 1, 2])
  vi.advanceTimersByTime(500)
  pace.add([delta(3, 'd'.repeat(100))])
  pace.stop()
  vi.advanceTimersByTime(5_000)
  expect(shown.map(({ seq }) => seq)).toEqual([0, 1, 2])
})
