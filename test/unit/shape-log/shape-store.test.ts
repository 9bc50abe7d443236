import { expect, test } from 'vitest'
import { createShapeStore } from '../../../src/shape-log/shape-store.ts'

function storeOf(maxBytes: number) {
  const removed: string[] = []
  const store = createShapeStore({
    chunkBytes: 1000,
    maxBytes,
    onRemove: (shape) => removed.push(shape.definition.key),
  })
  const add = (key: string, size: number) => {
    const shape = store.create({ key, schema: '{}' })
    shape.log.addSnapshotMessage('x'.repeat(size))
    return shape.log.handle
  }
  return { store, removed, add }
}

test('handles look like the engine’s and are never used twice', () => {
  const { store } = storeOf(1000)
  const handles = Array.from({ length: 500 }, () => {
    const { handle } = store.create({ key: 'same', schema: '{}' }).log
    store.remove(handle)
    return handle
  })
  expect(new Set(handles).size).toBe(500)
  expect(handles.every((handle) => /^\d+-\d{16}$/.test(handle))).toBe(true)
})

test('beyond its memory the store expires the shapes unused for longest, never the one in use', () => {
  const { store, removed, add } = storeOf(100)
  const first = add('first', 40)
  add('second', 40)
  store.touch(first)
  const third = add('third', 40)
  store.touch(third)
  expect(removed).toEqual(['second'])
  const huge = add('huge', 500)
  store.touch(huge)
  expect(store.byHandle(huge)).toBeDefined()
  expect(store.byKey('first')).toBeUndefined()
})

test('removing a shape expires its log', () => {
  const { store, add } = storeOf(100)
  const handle = add('a', 1)
  const shape = store.byHandle(handle)
  expect(store.remove(handle)).toBe(true)
  expect(store.remove(handle)).toBe(false)
  expect(shape?.log.state).toBe('expired')
})
