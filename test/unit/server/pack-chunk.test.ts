import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { decompress, packChunk } from '../../../src/server/uploads/content/chunks.ts'

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn(async () => {}) }))

test('leaves as much time to others as a chunk took, and no more', async () => {
  const bytes = randomBytes(200_000)
  const begun = performance.now()
  const chunk = await packChunk(7, bytes)
  const tookMs = performance.now() - begun
  expect(chunk).toMatchObject({ start: 7, bytes: 200_000 })
  expect(Buffer.from(await decompress(chunk)).equals(bytes)).toBe(true)
  expect(pause).toHaveBeenCalledTimes(1)
  const pausedMs = Number(vi.mocked(pause).mock.calls[0]?.[0])
  expect(pausedMs).toBeGreaterThan(0)
  expect(pausedMs).toBeLessThanOrEqual(tookMs)
})
