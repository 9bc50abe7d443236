import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createAudienceRows } from '../../../src/collections/sync/audience-rows.ts'

const row = { id: 's1', version: 1 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A row that two audiences show, which the user has deleted: one audience has sent the delete. */
function openDeleted() {
  const changes: string[] = []
  const state = { isShown: true, isSettled: false }
  const rows = createAudienceRows({
    write: (all) => void changes.push(...all.map(({ type }) => type)),
    isShown: () => state.isShown,
    audienceCount: () => 2,
    onMoved() {},
  })
  for (const audience of ['tenant', 'user:ann'] as const) {
    rows.apply(audience, [{ type: 'insert', row }])
  }
  state.isShown = false
  rows.apply('user:ann', [{ type: 'delete', id: row.id }])
  void rows.settled().then(() => {
    state.isSettled = true
  })
  return { rows, changes, state }
}

test('a deleted row is not settled before its last audience has sent the delete', async () => {
  const { rows, changes, state } = openDeleted()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(state.isSettled).toBe(false)
  rows.apply('tenant', [{ type: 'delete', id: row.id }])
  await vi.advanceTimersByTimeAsync(0)
  expect(state.isSettled).toBe(true)
  expect(changes).toEqual(['insert', 'delete'])
})

test('a row whose delete was rolled back is settled, and shows through the audience that remains', async () => {
  const { changes, state } = openDeleted()
  await vi.advanceTimersByTimeAsync(5_000)
  state.isShown = true
  await vi.advanceTimersByTimeAsync(1_000)
  expect(state.isSettled).toBe(true)
  expect(changes).not.toContain('delete')
  expect(vi.getTimerCount()).toBe(0)
})
