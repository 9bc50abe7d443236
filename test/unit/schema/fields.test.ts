import { expect, test } from 'vitest'
import * as z from 'zod/mini'
import {
  idField,
  jsonField,
  textUpTo,
  timestampInput,
  titleField,
} from '../../../src/schema/fields.ts'
import { cases, fc } from '../../support/property.ts'

test('counts lengths in characters, as Postgres does', () => {
  expect(titleField.safeParse('🎉'.repeat(1_000)).success).toBe(true)
  expect(titleField.safeParse('🎉'.repeat(1_001)).success).toBe(false)
  expect(textUpTo(3).safeParse('a🎉b').success).toBe(true)
  expect(idField.safeParse('').success).toBe(false)
})

test('refuses text that Postgres cannot store', () => {
  for (const text of ['a\u0000', '\ud800', 'x\udc00y']) {
    expect(titleField.safeParse(text).success).toBe(false)
    expect(jsonField.safeParse({ [text]: 1 }).success).toBe(false)
    expect(jsonField.safeParse([{ a: text }]).success).toBe(false)
  }
})

test('refuses a time without an offset, which would depend on the time zone of the machine', () => {
  expect(timestampInput.safeParse('2026-01-02T03:04:05Z').success).toBe(true)
  expect(timestampInput.safeParse('2026-01-02T03:04:05').success).toBe(false)
  expect(timestampInput.safeParse('yesterday').success).toBe(false)
  expect(timestampInput.safeParse(new Date(Number.NaN)).success).toBe(false)
})

test('accepts the times that zod’s ISO format accepts', () => {
  const iso = z.iso.datetime({ offset: true })
  const two = fc
    .oneof(fc.integer({ min: 0, max: 62 }), fc.integer({ min: 0, max: 12 }))
    .map((n) => String(n).padStart(2, '0'))
  const year = fc.constantFrom('0000', '1900', '2000', '2023', '2024', '9999', '12026', '-2026')
  const date = fc.tuple(year, two, two).map((parts) => parts.join('-'))
  const time = fc.array(two, { minLength: 2, maxLength: 4 }).map((parts) => parts.join(':'))
  const rest = fc.tuple(
    fc.constantFrom('', '.1', '.123456789', '.', ',5'),
    fc.oneof(
      fc.constantFrom('Z', 'z', '', '+02'),
      fc.tuple(two, two).map(([h, m]) => `-${h}:${m}`),
    ),
  )
  const parts = fc.tuple(
    date,
    fc.constantFrom('T', ' ', 't'),
    time,
    rest.map((end) => end.join('')),
  )
  fc.assert(
    fc.property(
      parts.map((all) => all.join('')),
      (text) => {
        expect(timestampInput.safeParse(text).success).toBe(iso.safeParse(text).success)
      },
    ),
    { numRuns: cases(3_000, 100_000) },
  )
})
