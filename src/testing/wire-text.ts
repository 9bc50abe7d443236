import type { RowText } from '../dev/protocol/messages.ts'
import type { ColumnMap, ColumnType } from '../schema/columns.ts'
import type { JsonValue } from '../schema/fields.ts'

/**
 * Converts a row to its wire form: the text that Postgres prints for each column, or null.
 *
 * @example
 * rowText(sessionColumns, session).created_at // '2024-05-01 10:00:00+00'
 */
export function rowText(columns: ColumnMap, row: object): RowText {
  return Object.fromEntries(
    Object.entries(columns).map(([property, { name, type }]) => [
      name,
      valueText(type, Reflect.get(row, property)),
    ]),
  )
}

function valueText(type: ColumnType, value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (type === 'jsonb') return jsonbText(value as JsonValue)
  if (type === 'text[]') return arrayText(value as readonly string[])
  return value instanceof Date ? timestamptzText(value) : String(value)
}

/** A text array as Postgres prints it. */
function arrayText(elements: readonly string[]): string {
  const texts = elements.map((element) =>
    element === '' || /[\s{},"\\]|^null$/i.test(element)
      ? `"${element.replaceAll(/["\\]/g, '\\$&')}"`
      : element,
  )
  return `{${texts.join(',')}}`
}

/** Prints a time as Postgres does in UTC, without trailing zeros in the fraction. */
export function timestamptzText(date: Date): string {
  const parts = /^([+-]?\d+)-(\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{3})Z$/.exec(date.toISOString())
  if (!parts) throw new RangeError(`Not a date that Postgres can hold: ${date}`)
  const [, yearText, day, time, fraction = ''] = parts
  const year = Number(yearText)
  const digits = String(year > 0 ? year : 1 - year).padStart(4, '0')
  const seconds = fraction === '000' ? time : `${time}.${fraction.replace(/0+$/, '')}`
  return `${digits}-${day} ${seconds}+00${year > 0 ? '' : ' BC'}`
}

const encoder = new TextEncoder()

/** Prints JSON as `jsonb` does: a space after `:` and `,`, keys ordered by length and then by bytes. */
export function jsonbText(value: JsonValue): string {
  if (typeof value === 'number') return numericText(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`
  const entries = Object.entries(value)
    .filter(([, entry]) => entry !== undefined)
    .map(([key, entry]) => ({ bytes: encoder.encode(key), key, entry }))
    .sort((one, other) => compareKeys(one.bytes, other.bytes))
  return `{${entries.map(({ key, entry }) => `${JSON.stringify(key)}: ${jsonbText(entry)}`).join(', ')}}`
}

function compareKeys(one: Uint8Array, other: Uint8Array): number {
  if (one.length !== other.length) return one.length - other.length
  const at = one.findIndex((byte, index) => byte !== other[index])
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0)
}

/** Postgres never prints an exponent. */
function numericText(value: number): string {
  const text = String(value)
  const parts = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text)
  if (!parts) return Object.is(value, -0) ? '0' : text
  const [, sign = '', first = '', rest = '', exponentText] = parts
  const exponent = Number(exponentText)
  const digits = first + rest
  return exponent < 0
    ? `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
    : `${sign}${digits.padEnd(exponent + 1, '0')}`
}
