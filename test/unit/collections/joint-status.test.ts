import { expect, test } from 'vitest'
import { joinStatuses } from '../../../src/collections/sync/joint-status.ts'
import { createSyncStatus } from '../../../src/collections/sync/sync-status.ts'
import { SessionDbError } from '../../../src/errors.ts'

const microtasks = () => new Promise((resolve) => setImmediate(resolve))

function live() {
  const status = createSyncStatus()
  status.update({ status: 'ready', isUpToDate: true })
  return status
}

test('is the worst of the parts’ statuses, and idle without parts', async () => {
  const status = createSyncStatus()
  const joint = joinStatuses(status)
  let calls = 0
  status.subscribe(() => {
    calls += 1
  })
  expect(status.get().connection).toBe('idle')

  const [good, bad] = [live(), live()]
  const stops = [good, bad].map((part) => joint.add(part))
  expect(status.get().connection).toBe('live')

  bad.update({ lastError: new SessionDbError('unavailable', 'Away.'), isUpToDate: false })
  await microtasks()
  expect(status.get()).toEqual(bad.get())
  expect(status.get().connection).toBe('reconnecting')
  const before = calls
  good.update({ offset: '7_0' })
  await microtasks()
  expect(calls).toBe(before)

  bad.update({ isStopped: true })
  await microtasks()
  expect(status.get().connection).toBe('stopped')
  stops[1]?.()
  await microtasks()
  expect(status.get().connection).toBe('live')
  stops[0]?.()
  expect(status.get().connection).toBe('idle')
  expect(calls).toBeGreaterThan(before)

  bad.update({ isStopped: false })
  await microtasks()
  expect(status.get().connection).toBe('idle')
})
