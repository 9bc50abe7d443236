import type { JsonObject } from '../../schema/fields.ts'
import { MAX_ID_LENGTH } from '../../schema/limits.ts'
import { storableText } from '../../timeline/events.ts'
import { NO_METADATA } from './legacy-records.ts'
import { type StorableListener, storableObject } from './storable-json.ts'

/** A record that cannot be imported; the message says why. */
export class BadRecordError extends Error {
  override readonly name = 'BadRecordError'
}

/**
 * Reads the fields of one record, noting what has to be changed on the way. A field that holds
 * something else than is asked for is kept as it is: `others` has it, too.
 */
export interface RecordFields {
  /** Says that the record is imported otherwise than it stands. */
  readonly note: (reason: string) => void
  /** Says so of a known field, and keeps it beside the unknown ones. */
  keep(name: string, reason: string): void
  /** @throws BadRecordError when the field is no id. */
  id(name: string): string
  /** An id that may be missing. @throws BadRecordError when it is there and no id. */
  optionalId(name: string): string | null
  /** One of the values, or undefined. */
  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined
  /** Text as Postgres can store it, or undefined when the field holds no text. */
  text(name: string): string | undefined
  /** A time as ISO 8601 text, UTC where it names no zone, or as milliseconds; or undefined. */
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

class Fields implements RecordFields {
  readonly note: (reason: string) => void
  readonly #record: Readonly<Record<string, unknown>>
  #kept: Set<string> | undefined

  constructor(record: Readonly<Record<string, unknown>>, note: (reason: string) => void) {
    this.#record = record
    this.note = note
  }

  value(name: string): unknown {
    return Object.hasOwn(this.#record, name) ? this.#record[name] : undefined
  }

  keep(name: string, reason: string): void {
    if (this.#kept?.has(name)) return
    this.#kept ??= new Set()
    this.#kept.add(name)
    this.note(`${name}: ${reason}, kept in metadata`)
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
    const value = values.find((known) => known === found)
    if (value === undefined) this.#keepUnread(name, found, `is none of ${values.join(', ')}`)
    return value
  }

  text(name: string): string | undefined {
    const value = this.value(name)
    if (typeof value !== 'string') return this.#keepUnread(name, value, 'is no text')
    return isStorable(value) ? value : storableText(value, this.#replaced(name))
  }

  time(name: string): Date | undefined {
    const value = this.value(name)
    const time = parseTime(value)
    if (time === undefined) return this.#keepUnread(name, value, 'is no time')
    if (typeof value === 'number' && value < EARLIEST_LIKELY) {
      this.keep(name, `${value} was read as milliseconds since 1970`)
    }
    return time
  }

  count(name: string): number | undefined {
    const value = this.value(name)
    if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value)
    return this.#keepUnread(name, value, 'is no count')
  }

  object(name: string): JsonObject | undefined {
    const value = this.value(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return asBadRecord(() => storableObject({ ...value }, this.#changes(name)))
  }

  others(known: ReadonlySet<string>): JsonObject {
    const names = Object.keys(this.#record).filter(
      (name) => !known.has(name) || this.#kept?.has(name),
    )
    if (names.length === 0) return NO_METADATA
    const rest = names.map((name) => [name, this.#record[name]] as const)
    return asBadRecord(() =>
      storableObject(Object.fromEntries(rest), this.#changes('other fields')),
    )
  }

  /** Nothing is what a missing field is, too: there is nothing to keep of it. */
  #keepUnread(name: string, value: unknown, reason: string): undefined {
    if (value !== undefined && value !== null) this.keep(name, reason)
  }

  #changes(name: string): StorableListener {
    return {
      onReplaced: this.#replaced(name),
      onInexact: () => this.note(`${name}: a number there is larger than can be read exactly`),
    }
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

/** Milliseconds of 1973: a number below is likely to count seconds. */
const EARLIEST_LIKELY = 1e11
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/

function parseTime(value: unknown): Date | undefined {
  const isTime =
    typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d/.test(value))
  // Without a zone it would be another time on a machine of another zone.
  const zoned = typeof value === 'string' && WITHOUT_ZONE.test(value) ? `${value}Z` : value
  const time = isTime ? new Date(zoned as string | number) : undefined
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
