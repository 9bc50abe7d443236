import { expect, test } from 'vitest'
import type { ShapeLog } from '../../../src/dev/protocol/shape-log.ts'
import { createShapeStore } from '../../../src/dev/protocol/shape-store.ts'
import { fc } from '../../support/property.ts'

function storeOf(maxBytes: number) {
  const removed: string[] = []
  const store = createShapeStore({
    chunkBytes: 1000,
    maxBytes,
    onRemove: (shape) => removed.push(shape.definition.key),
  })
  let tx = 1n
  return {
    store,
    removed,
    building: (key: string) => store.create({ key, schema: '{}' }).log,
    add(key: string, size: number) {
      const { log } = store.create({ key, schema: '{}' })
      log.addSnapshotMessage('x'.repeat(size))
      log.endSnapshot('')
      return log
    },
    change(log: ShapeLog, size: number) {
      tx += 1n
      log.append([{ offset: { tx, op: 0 }, json: 'x'.repeat(size) }])
    },
    total: () => [...store.all()].reduce((sum, { log }) => sum + log.size, 0),
  }
}

test('creates handles like the engine’s and never reuses one', () => {
  const { store } = storeOf(1000)
  const handles = Array.from({ length: 500 }, () => {
    const { handle } = store.create({ key: 'same', schema: '{}' }).log
    store.remove(handle)
    return handle
  })
  expect(new Set(handles).size).toBe(500)
  expect(handles.every((handle) => /^\d+-\d{16}$/.test(handle))).toBe(true)
})

test('expires the least recently used shapes beyond its bound, never the one that grows', () => {
  const { store, removed, add } = storeOf(1000)
  const first = add('first', 400)
  add('second', 400)
  store.touch(first.handle)
  const third = add('third', 400)
  expect(removed).toEqual(['second'])
  store.touch(first.handle)
  add('fourth', 400)
  expect(removed).toEqual(['second', 'third'])
  expect(third.state).toBe('expired')
  const huge = add('huge', 5000)
  expect(huge.state).toBe('live')
  expect([...store.all()].map(({ log }) => log)).toEqual([huge])
})

test('starts a log with endless writes over, not the small ones beside it', () => {
  const { store, removed, add, change, total } = storeOf(10_000)
  const small = Array.from({ length: 10 }, (_, i) => add(`small ${i}`, 300))
  let rotations = 0
  let busy = add('busy', 500)
  for (let i = 0; i < 500; i++) {
    change(busy, 100)
    expect(total()).toBeLessThanOrEqual(10_000)
    if (busy.state !== 'expired') continue
    rotations += 1
    busy = add('busy', 500)
  }
  expect(rotations).toBeGreaterThan(5)
  expect(new Set(removed)).toEqual(new Set(['busy']))
  expect(small.every((log) => log.state === 'live')).toBe(true)
  expect([...store.all()]).toHaveLength(11)
})

test('serves a snapshot larger than the bound, whose log grows to twice its size at most', () => {
  const { add, change } = storeOf(1000)
  const huge = add('huge', 5000)
  let most = 0
  for (let i = 0; i < 100 && huge.state === 'live'; i++) {
    change(huge, 100)
    if (huge.state === 'live') most = Math.max(most, huge.size)
  }
  expect(huge.state).toBe('expired')
  expect(most).toBeGreaterThan(9000)
  expect(most).toBeLessThanOrEqual(10_010)
})

test('does not expire shapes whose snapshots are in progress', () => {
  const { building } = storeOf(1000)
  const [one, other] = [building('one'), building('other')]
  for (const log of [one, other]) log.addSnapshotMessage('x'.repeat(5000))
  one.endSnapshot('')
  expect(other.state).toBe('building')
  other.endSnapshot('')
  expect([one.state, other.state]).toEqual(['expired', 'live'])
})

test('keeps the logs within the bound for any sequence of actions', () => {
  const actions = fc.array(
    fc.record({
      shape: fc.nat(3),
      action: fc.constantFrom('add', 'change', 'change', 'change', 'touch', 'remove'),
      size: fc.nat(3000),
    }),
    { minLength: 50, maxLength: 200 },
  )
  fc.assert(
    fc.property(actions, (list) => {
      const { store, add, change, total } = storeOf(5000)
      let largest = 0
      for (const { shape, action, size } of list) {
        const key = String(shape)
        const log = store.byKey(key)?.log
        if (action === 'add' && !log) largest = Math.max(largest, add(key, size).size)
        if (!log) continue
        if (action === 'change') change(log, size)
        if (action === 'touch') store.touch(log.handle)
        if (action === 'remove') store.remove(log.handle)
        expect(total()).toBeLessThanOrEqual(Math.max(5000, 2 * largest))
      }
    }),
  )
})

test('expires the log of a removed shape', () => {
  const { store, add } = storeOf(100)
  const { handle } = add('a', 1)
  const shape = store.byHandle(handle)
  expect(store.remove(handle)).toBe(true)
  expect(store.remove(handle)).toBe(false)
  expect(shape?.log.state).toBe('expired')
})
