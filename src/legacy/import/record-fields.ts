import { type JsonObject, type JsonValue, MAX_ID_LENGTH } from '../../schema/fields.ts'
import { storableText } from '../../timeline/events.ts'

const MAX_DEPTH = 100

/** The metadata of a record that has only known fields. */
const NO_METADATA: JsonObject = Object.freeze({})

/** The reason why a record cannot be imported. */
export class BadRecordError extends Error {
  override readonly name = 'BadRecordError'
}

/**
 * Typed access to the fields of one record of a JSON file, which may hold anything. A field of another
 * type than expected reads as undefined and is kept in the record's metadata, with a note.
 */
export interface RecordFields {
  /** Reports that the record is imported with a change. */
  readonly note: (reason: string) => void
  /** Keeps a known field in metadata as well, with a note. */
  keep(name: string, reason: string): void
  /** @throws BadRecordError when the field is not a valid id. */
  id(name: string): string
  /**
   * Reads an id that may be missing.
   *
   * @throws BadRecordError when it is present and not a valid id.
   */
  optionalId(name: string): string | null
  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined
  /** Text that Postgres can store: U+0000 and lone surrogates are replaced, with a note. */
  text(name: string): string | undefined
  /** An ISO 8601 time (UTC if it has no zone) or milliseconds since 1970. */
  time(name: string): Date | undefined
  /** An integer of 0 or more. */
  count(name: string): number | undefined
  value(name: string): unknown
  /**
   * Reads a JSON object, made storable as jsonb.
   *
   * @throws BadRecordError when it is nested deeper than 100 levels.
   */
  object(name: string): JsonObject | undefined
  /** Every field that is not in `known`, and those kept, made storable as jsonb. */
  others(known: ReadonlySet<string>): JsonObject
}

/**
 * Wraps a parsed record.
 *
 * @throws BadRecordError when it is not a JSON object.
 */
export function recordFields(record: unknown, note: (reason: string) => void): RecordFields {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new BadRecordError('not a JSON object')
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
    this.note(`${name}: ${reason}; kept in metadata`)
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
    if (value === undefined) this.#keepUnread(name, found, `not one of ${values.join(', ')}`)
    return value
  }

  text(name: string): string | undefined {
    const value = this.value(name)
    if (typeof value !== 'string') return this.#keepUnread(name, value, 'not a string')
    return isStorable(value) ? value : storableText(value, this.#replaced(name))
  }

  time(name: string): Date | undefined {
    const value = this.value(name)
    const time = parseTime(value)
    if (time === undefined) return this.#keepUnread(name, value, 'not a time')
    if (typeof value === 'number' && value < EARLIEST_LIKELY) {
      this.keep(name, `read ${value} as milliseconds since 1970`)
    }
    return time
  }

  count(name: string): number | undefined {
    const value = this.value(name)
    if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value)
    return this.#keepUnread(name, value, 'not a count')
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

  #keepUnread(name: string, value: unknown, reason: string): undefined {
    if (value !== undefined && value !== null) this.keep(name, reason)
  }

  #changes(name: string): StorableListener {
    return {
      onReplaced: this.#replaced(name),
      onInexact: () => this.note(`${name}: a number is too large to be read exactly`),
    }
  }

  #replaced(name: string): (count: number) => void {
    return (count) =>
      this.note(`${name}: replaced ${count} characters that Postgres cannot store by U+FFFD`)
  }
}

// A cheap test first: most texts contain neither.
const MAYBE_NOT_STORABLE = /[\0\uD800-\uDFFF]/

function isStorable(text: string): boolean {
  return !MAYBE_NOT_STORABLE.test(text) || storableText(text) === text
}

function checkedId(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new BadRecordError(`${name}: must be a string of 1 to ${MAX_ID_LENGTH} characters`)
  }
  if (value.length > MAX_ID_LENGTH) {
    throw new BadRecordError(`${name}: longer than ${MAX_ID_LENGTH} characters`)
  }
  if (!isStorable(value)) {
    throw new BadRecordError(`${name}: contains characters that Postgres cannot store`)
  }
  return value
}

/** March 1973 in milliseconds: a smaller number probably counts seconds. */
const EARLIEST_LIKELY = 1e11
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/

function parseTime(value: unknown): Date | undefined {
  const isTime =
    typeof value === 'number' || (typeof value === 'string' && /^\d{4}-\d\d/.test(value))
  // A time without a zone would otherwise depend on the zone of this machine.
  const zoned = typeof value === 'string' && WITHOUT_ZONE.test(value) ? `${value}Z` : value
  const time = isTime ? new Date(zoned as string | number) : undefined
  const year = time?.getUTCFullYear() ?? Number.NaN
  return year >= 1 && year <= 9_999 ? time : undefined
}

/** Runs `read` and rethrows its errors as `BadRecordError`. */
export function asBadRecord<Value>(read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw new BadRecordError(error instanceof Error ? error.message : String(error))
  }
}

/** Called for changes that `storableObject` makes. */
export interface StorableListener {
  /** @param count the number of characters replaced */
  onReplaced(count: number): void
  /** Called for a number with more digits, or larger, than a double can hold. */
  onInexact(): void
}

/**
 * Copies parsed JSON so that jsonb can store it: characters that Postgres refuses become U+FFFD,
 * numbers beyond the range of a double become null.
 *
 * @throws RangeError when it nested deeper than 100 levels.
 */
export function storableObject(
  value: Readonly<Record<string, unknown>>,
  { onReplaced, onInexact }: StorableListener,
): JsonObject {
  const copy = (entry: unknown, depth: number): JsonValue => {
    if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`)
    if (typeof entry === 'string') return storableText(entry, onReplaced)
    if (typeof entry === 'boolean') return entry
    if (typeof entry === 'number') return copyNumber(entry)
    if (typeof entry !== 'object' || entry === null) return null
    if (Array.isArray(entry)) return entry.map((element) => copy(element, depth + 1))
    return copyObject(entry, depth)
  }
  const copyNumber = (entry: number): number | null => {
    if (!Number.isFinite(entry)) {
      onInexact()
      return null
    }
    // JSON.parse has already rounded it.
    if (Number.isInteger(entry) && !Number.isSafeInteger(entry)) onInexact()
    return entry
  }
  const copyObject = (object: object, depth: number): JsonObject =>
    Object.fromEntries(
      Object.entries(object).map(([key, entry]) => [
        storableText(key, onReplaced),
        copy(entry, depth + 1),
      ]),
    )
  return copyObject(value, 0)
}
