import { expect, onTestFinished, test } from 'vitest'
import { createSessionCollections, timelineView } from '../../../src/collections/index.ts'
import { eventually } from '../../support/eventually.ts'
import { change, createHandDrivenShapes } from './support/hand-driven-shapes.ts'
import { timelineEvent } from './support/rows.ts'

function openView() {
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
  const view = timelineView(db, 's1', { windowSize: 10, maxWindows: 2 })
  const seqs = () => [...view.events.values()].map(({ seq }) => seq).sort((a, b) => a - b)
  return { db, shapes, view, seqs }
}

test('keeps shown windows up to date and drops those not shown for longest', async () => {
  const { shapes, view, seqs } = openView()
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

test('refuses a window size out of bounds immediately', () => {
  const { db } = openView()
  for (const windowSize of [0, 1.5, 10_001]) {
    expect(() => timelineView(db, 's1', { windowSize })).toThrow(/windowSize must be 1 to 10000/)
  }
})
