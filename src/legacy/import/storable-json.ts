import type { JsonObject, JsonValue } from '../../schema/fields.ts'
import { storableText } from '../../timeline/events.ts'

const MAX_DEPTH = 100

/** Hears what `storableObject` could not copy as it stood. */
export interface StorableListener {
  /** @param count of characters that were replaced. */
  onReplaced(count: number): void
  /** A number has more digits, or is larger, than JavaScript can say. */
  onInexact(): void
}

/**
 * Copies parsed JSON as jsonb can hold it: text that Postgres cannot store is replaced by U+FFFD,
 * a number beyond JavaScript's range by null.
 *
 * @throws RangeError when it is nested deeper than 100 levels.
 */
export function storableObject(
  value: Readonly<Record<string, unknown>>,
  { onReplaced, onInexact }: StorableListener,
): JsonObject {
  const copy = (entry: unknown, depth: number): JsonValue => {
    if (depth > MAX_DEPTH) throw new RangeError(`is nested deeper than ${MAX_DEPTH} levels`)
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
    // Its digits are lost already when JSON.parse hands it over.
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
