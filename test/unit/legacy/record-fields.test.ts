import { afterEach, expect, test } from 'vitest'
import { recordFields } from '../../../src/legacy/import/record-fields.ts'

const zone = process.env.TZ
afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

test.each([
  ['2025-12-01T12:00:00.5', '2025-12-01T12:00:00.500Z'],
  ['2025-12-01 12:00', '2025-12-01T12:00:00.000Z'],
  ['2025-12-01', '2025-12-01T00:00:00.000Z'],
  ['2025-12-01T12:00:00+02:00', '2025-12-01T10:00:00.000Z'],
])('reads %s as the same time in every time zone', (value, time) => {
  process.env.TZ = 'America/New_York'
  const fields = recordFields({ createdAt: value }, () => {})
  expect(fields.time('createdAt')?.toISOString()).toBe(time)
})
