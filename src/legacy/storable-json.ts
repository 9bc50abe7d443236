import type { JsonObject, JsonValue } from '../schema/fields.ts'
import { storableText } from '../server/timeline/storable-text.ts'

const MAX_DEPTH = 100

/**
 * Copies parsed JSON as jsonb can hold it: text that Postgres cannot store is replaced by U+FFFD,
 * a number beyond JavaScript's range by null.
 *
 * @param onReplaced hears how many characters or numbers were replaced.
 * @throws RangeError when it is nested deeper than 100 levels.
 */
export function storableObject(
  value: Readonly<Record<string, unknown>>,
  onReplaced: (count: number) => void,
): JsonObject {
  const copy = (entry: unknown, depth: number): JsonValue => {
    if (depth > MAX_DEPTH) throw new RangeError(`is nested deeper than ${MAX_DEPTH} levels`)
    if (typeof entry === 'string') return storableText(entry, onReplaced)
    if (typeof entry === 'boolean') return entry
    if (typeof entry === 'number' && Number.isFinite(entry)) return entry
    if (typeof entry === 'number') onReplaced(1)
    if (typeof entry !== 'object' || entry === null) return null
    if (Array.isArray(entry)) return entry.map((element) => copy(element, depth + 1))
    return copyObject(entry, depth)
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
