import { expect, test, vi } from 'vitest'
import { createSubsetQueue } from '../../../src/dev/protocol/subsets-first.ts'

/** A subset whose answer the test decides on. */
function pendingSubset() {
  let answer = (_: string) => {}
  const answering = new Promise<string>((resolve) => {
    answer = resolve
  })
  return { answering, answer }
}

test('does not wait when no subset is in progress', async () => {
  await createSubsetQueue(60_000).goFirst()
})

test('waits for the subsets of all shapes, failed ones included', async () => {
  const subsets = createSubsetQueue(0)
  const [one, other] = [pendingSubset(), pendingSubset()]
  const answered = subsets.add(one.answering)
  subsets.add(other.answering.then(() => Promise.reject(new Error('refused')))).catch(() => {})
  const page = vi.fn()
  const waiting = subsets.goFirst().then(page)
  one.answer('rows')
  expect(await answered).toBe('rows')
  expect(page).not.toHaveBeenCalled()
  other.answer('')
  await waiting
  await subsets.goFirst()
})

test('waits a moment longer for the client to show the rows, and half a second at most', async () => {
  vi.useFakeTimers()
  try {
    const subsets = createSubsetQueue(100)
    const page = vi.fn()
    await subsets.add(Promise.resolve('rows'))
    void subsets.goFirst().then(page)
    await vi.advanceTimersByTimeAsync(99)
    expect(page).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(page).toHaveBeenCalledOnce()

    void subsets.add(new Promise(() => {}))
    void subsets.goFirst().then(page)
    await vi.advanceTimersByTimeAsync(499)
    expect(page).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(1)
    expect(page).toHaveBeenCalledTimes(2)
  } finally {
    vi.useRealTimers()
  }
})
