import { afterEach, expect, test, vi } from 'vitest'
import { createPart, loadPatiently, prefetch } from '../../../src/collections/part.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function failing(times: number) {
  const fetchPart = vi.fn(async () => {
    if (fetchPart.mock.calls.length <= times) throw new TypeError('Failed to fetch module')
    return { answer: 42 }
  })
  return fetchPart
}

test('a part is fetched once, however many ask for it', async () => {
  const fetchPart = failing(0)
  const part = createPart('A part', fetchPart)
  expect(part.now()).toBeUndefined()
  const both = await Promise.all([part.load(), part.load()])
  expect(both.map(({ answer }) => answer)).toEqual([42, 42])
  expect(part.now()).toBe(both[0])
  await part.load()
  expect(fetchPart).toHaveBeenCalledOnce()
})

test('one that cannot be had says so, and is asked for anew', async () => {
  const part = createPart('A part', failing(1))
  await expect(part.load()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^A part could not be loaded\. .* reload the page\.$/),
  })
  await expect(part.load()).resolves.toEqual({ answer: 42 })
})

test('who waits for one gets three attempts, with pauses in between', async () => {
  vi.useFakeTimers()
  const thirdTime = failing(2)
  const patient = loadPatiently(createPart('A part', thirdTime))
  const attempts = []
  for (const ms of [0, 499, 1, 1_999, 1]) {
    await vi.advanceTimersByTimeAsync(ms)
    attempts.push(thirdTime.mock.calls.length)
  }
  expect(attempts).toEqual([1, 1, 2, 2, 3])
  await expect(patient).resolves.toEqual({ answer: 42 })

  const fetchPart = failing(3)
  const refused = expect(loadPatiently(createPart('A part', fetchPart))).rejects.toMatchObject({
    code: 'unavailable',
  })
  await vi.runAllTimersAsync()
  await refused
  expect(fetchPart).toHaveBeenCalledTimes(3)
})

test('a pause ends when the browser is online again', async () => {
  vi.useFakeTimers()
  const page = new EventTarget()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  const patient = loadPatiently(createPart('A part', failing(1)))
  await vi.advanceTimersByTimeAsync(0)
  page.dispatchEvent(new Event('online'))
  await expect(patient).resolves.toEqual({ answer: 42 })
})

test('a fetch ahead that fails is nobody’s error', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  const part = createPart('A part', failing(1))
  prefetch(part)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
  await expect(part.load()).resolves.toEqual({ answer: 42 })
})
