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
  readonly note: (reason: string) => void
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
  /** A field that holds a JSON object, fit for jsonb. @throws BadRecordError when it is too deep. */
  object(name: string): JsonObject | undefined
  /** All fields that are not known, fit for jsonb. */
  others(known: ReadonlySet<string>): JsonObject
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
  return new Fields(record as Readonly<Record<string, unknown>>, note)
}

const NOTHING: JsonObject = Object.freeze({})

class Fields implements RecordFields {
  readonly note: (reason: string) => void
  readonly #record: Readonly<Record<string, unknown>>

  constructor(record: Readonly<Record<string, unknown>>, note: (reason: string) => void) {
    this.#record = record
    this.note = note
  }

  value(name: string): unknown {
    return Object.hasOwn(this.#record, name) ? this.#record[name] : undefined
  }

  id(name: string): string {
    return checkedId(name, this.value(name))
  }

  optionalId(name: string): string | null {
    const value = this.value(name)
    return value === undefined || value === null ? null : checkedId(name, value)
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const found = this.value(name)
    return values.find((value) => value === found)
  }

  text(name: string): string | undefined {
    const value = this.value(name)
    if (typeof value !== 'string') return undefined
    return isStorable(value) ? value : storableText(value, this.#replaced(name))
  }

  time(name: string): Date | undefined {
    return parseTime(this.value(name))
  }

  count(name: string): number | undefined {
    const value = this.value(name)
    return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
  }

  object(name: string): JsonObject | undefined {
    const value = this.value(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return asBadRecord(() => storableObject({ ...value }, this.#replaced(name)))
  }

  others(known: ReadonlySet<string>): JsonObject {
    const rest = Object.entries(this.#record).filter(([name]) => !known.has(name))
    if (rest.length === 0) return NOTHING
    return asBadRecord(() =>
      storableObject(Object.fromEntries(rest), this.#replaced('other fields')),
    )
  }

  #replaced(name: string): (count: number) => void {
    return (count) =>
      this.note(`${name}: ${count} characters that Postgres cannot store were replaced by U+FFFD`)
  }
}

// Cheaper than looking for lone surrogates, and most texts have no surrogates at all.
const PERHAPS_NOT_STORABLE = /[\0\uD800-\uDFFF]/

function isStorable(text: string): boolean {
  return !PERHAPS_NOT_STORABLE.test(text) || storableText(text) === text
}

function checkedId(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new BadRecordError(`${name}: must be a text of 1 to ${MAX_ID_LENGTH} characters`)
  }
  if (value.length > MAX_ID_LENGTH) {
    throw new BadRecordError(`${name}: is longer than ${MAX_ID_LENGTH} characters`)
  }
  if (!isStorable(value)) {
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
