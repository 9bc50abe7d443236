import { expect, test } from 'vitest'
import {
  idField,
  jsonField,
  textUpTo,
  timestampInput,
  titleField,
} from '../../../src/schema/fields.ts'

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
