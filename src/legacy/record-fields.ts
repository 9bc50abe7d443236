import type { JsonObject } from '../schema/fields.ts'
import { MAX_ID_LENGTH } from '../schema/fields.ts'
import { storableText } from '../server/timeline/storable-text.ts'
import { storableObject } from './storable-json.ts'

/** A record that cannot be imported; the message says why. */
export class BadRecordError extends Error {
  override readonly name = 'BadRecordError'
}

/** Reads the fields of one record, noting what has to be changed on the way. */
export interface RecordFields {
  /** Says that the record is imported otherwise than it stands. */
  note(reason: string): void
  /** @throws BadRecordError when the field is no id. */
  id(name: string): string
  /** An id that may be missing. @throws BadRecordError when it is there and no id. */
  optionalId(name: string): string | null
  /** One of the values, or undefined. */
  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined
  /** Text as Postgres can store it, or undefined when the field holds no text. */
  text(name: string): string | undefined
  /** A time as ISO 8601 text or milliseconds, or undefined. */
  time(name: string): Date | undefined
  /** A whole number of 0 or more, or undefined. */
  count(name: string): number | undefined
  value(name: string): unknown
  /** All fields that are not named, fit for jsonb. */
  others(...known: string[]): JsonObject
}

/**
 * Begins to read a record.
 *
 * @throws BadRecordError when it is not a JSON object.
 */
export function recordFields(record: unknown, note: (reason: string) => void): RecordFields {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new BadRecordError('is not a JSON object')
  }
  const fields = new Map<string, unknown>(Object.entries(record))
  const replaced = (name: string) => (count: number) =>
    note(`${name}: ${count} characters that Postgres cannot store were replaced by U+FFFD`)
  const optionalId = (name: string): string | null => {
    const value = fields.get(name)
    return value === undefined || value === null ? null : checkedId(name, value)
  }
  return {
    note,
    optionalId,
    id: (name) => checkedId(name, fields.get(name)),
    oneOf: (name, values) => values.find((value) => value === fields.get(name)),
    text: (name) => {
      const value = fields.get(name)
      return typeof value === 'string' ? storableText(value, replaced(name)) : undefined
    },
    time: (name) => parseTime(fields.get(name)),
    count: (name) => {
      const value = fields.get(name)
      return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
    },
    value: (name) => fields.get(name),
    others: (...known) => {
      const rest = [...fields].filter(([name]) => !known.includes(name))
      return asBadRecord(() => storableObject(Object.fromEntries(rest), replaced('other fields')))
    },
  }
}

function checkedId(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new BadRecordError(`${name}: must be a text of 1 to ${MAX_ID_LENGTH} characters`)
  }
  if (value.length > MAX_ID_LENGTH) {
    throw new BadRecordError(`${name}: is longer than ${MAX_ID_LENGTH} characters`)
  }
  if (storableText(value) !== value) {
    throw new BadRecordError(`${name}: holds characters that Postgres cannot store`)
  }
  return value
}

function parseTime(value: unknown): Date | undefined {
  const isTime =
    typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d/.test(value))
  const time = isTime ? new Date(value) : undefined
  const year = time?.getUTCFullYear() ?? Number.NaN
  return year >= 1 && year <= 9_999 ? time : undefined
}

/** Turns what `read` throws into the record's fault. */
export function asBadRecord<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw new BadRecordError(error instanceof Error ? error.message : String(error))
  }
}
