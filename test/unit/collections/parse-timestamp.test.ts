import { describe, expect, test } from 'vitest'
import { parseTimestamp } from '../../../src/schema/parse-timestamp.ts'
import { fc } from '../../support/property.ts'

describe('parseTimestamp', () => {
  test.each([
    ['2024-01-01 00:00:00+00', '2024-01-01T00:00:00.000Z'],
    ['2024-01-01 00:00:00.1+00', '2024-01-01T00:00:00.100Z'],
    ['2024-01-01 00:00:00.123456+00', '2024-01-01T00:00:00.123Z'],
    ['2024-01-01 05:30:00+05:30', '2024-01-01T00:00:00.000Z'],
    ['2023-12-31 20:00:00.5-04', '2024-01-01T00:00:00.500Z'],
    ['1890-01-01 00:19:32+00:19:32', '1890-01-01T00:00:00.000Z'],
    ['12024-01-01 00:00:00+00', '+012024-01-01T00:00:00.000Z'],
    ['0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00.000Z'],
  ])('%s', (text, expected) => {
    expect(parseTimestamp(text).toISOString()).toBe(expected)
  })

  test('infinity is the furthest date there is', () => {
    expect(parseTimestamp('infinity').getTime()).toBe(8.64e15)
    expect(parseTimestamp('-infinity').getTime()).toBe(-8.64e15)
  })

  test.each(['', 'yesterday', '2024-01-01T00:00:00Z', '2024-01-01'])('refuses %j', (text) => {
    expect(() => parseTimestamp(text)).toThrow(RangeError)
  })

  test('any date survives Postgres text in any offset', () => {
    const dates = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    })
    const offsets = fc.integer({ min: -15 * 60, max: 15 * 60 })
    fc.assert(
      fc.property(dates, offsets, (date, minutes) => {
        expect(parseTimestamp(asPostgres(date, minutes)).getTime()).toBe(date.getTime())
      }),
    )
  })
})

function asPostgres(date: Date, offsetMinutes: number): string {
  const local = new Date(date.getTime() + offsetMinutes * 60_000)
  const two = (value: number) => String(Math.trunc(Math.abs(value))).padStart(2, '0')
  const offset = `${offsetMinutes < 0 ? '-' : '+'}${two(offsetMinutes / 60)}:${two(offsetMinutes % 60)}`
  const [year = '', rest = ''] = local.toISOString().split(/(?<=^[+-]?\d{4,6})-/)
  return `${year.replace(/^\+0?/, '')}-${rest.replace('T', ' ').replace('Z', offset)}`
}
