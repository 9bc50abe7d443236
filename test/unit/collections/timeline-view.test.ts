import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type * as Collections from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { change, createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { timelineEvent } from './support/rows.ts'

// Each test is a page of its own, that has what opens windows when the test says so.
const PART = '../../../src/collections/timeline/timeline-windows.ts'
let arrive = () => {}
let fail = (_error: Error) => {}

beforeEach(() => {
  vi.resetModules()
  const arrived = new Promise<void>((resolve, reject) => {
    arrive = resolve
    fail = reject
  })
  arrived.catch(() => undefined)
  vi.doMock(PART, async (original) => {
    await arrived
    return original()
  })
})
afterEach(() => void vi.doUnmock(PART))

async function openView() {
  const { createSessionCollections }: typeof Collections = await import(
    '../../../src/collections/index.ts'
  )
  const shapes = createHandDrivenShapes()
  const db = createSessionCollections({
    electricUrl: 'http://app.test/api/shapes',
    fetchClient: shapes.fetch,
    writeAdapter: () => Promise.reject(new Error('nothing is written here')),
  })
  onTestFinished(() => db.cleanup())
  for (const from of [0, 10, 20]) {
    shapes.seed(`session-timeline-window/s1/${from}`, [
      timelineEvent(from),
      timelineEvent(from + 1),
    ])
  }
  const view = db.timelineView('s1', { windowSize: 10, maxWindows: 2 })
  const seqs = () => [...view.events.values()].map(({ seq }) => seq).sort((a, b) => a - b)
  return { db, shapes, view, seqs }
}

test('holds what is shown, live, and lets go of what was not shown for longest', async () => {
  const { shapes, view, seqs } = await openView()
  arrive()
  expect(view.status.get().connection).toBe('idle')
  await view.show(0, 11)
  expect(seqs()).toEqual([0, 1, 10, 11])
  await eventually(() => expect(view.status.get().connection).toBe('live'))

  const shape = 'session-timeline-window/s1/10'
  shapes.push(shape, [change(shape, 'insert', timelineEvent(12))])
  await eventually(() => expect(seqs()).toEqual([0, 1, 10, 11, 12]))

  await view.show(20, 21)
  expect(seqs()).toEqual([10, 11, 12, 20, 21])

  await view.close()
  expect(seqs()).toEqual([])
  expect(view.status.get().connection).toBe('idle')
})

test('a view that is closed while it waits for what opens windows opens none', async () => {
  const { shapes, view } = await openView()
  const shown = view.show(0, 5)
  await view.close()
  arrive()
  await shown
  expect(shapes.requests).toEqual([])

  await view.show(0, 5)
  expect(view.events.size).toBe(2)
})

test('when that cannot be loaded, showing says so, and the view stays empty', async () => {
  const { shapes, view } = await openView()
  const shown = view.show(0, 5)
  fail(new TypeError('Failed to fetch dynamically imported module'))
  await expect(shown).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('long timelines could not be loaded'),
  })
  expect(shapes.requests).toEqual([])
  expect(view.events.size).toBe(0)
})

test('a window size out of bounds is refused at once', async () => {
  const { db } = await openView()
  for (const windowSize of [0, 1.5, 10_001]) {
    expect(() => db.timelineView('s1', { windowSize })).toThrow(/windowSize must be 1 to 10000/)
  }
})
