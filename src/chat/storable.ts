import type { JsonObject, JsonValue } from '../schema/fields.ts'

const MAX_DEPTH = 90
const REPLACEMENT = '\uFFFD'
const UNSTORABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Called for every character that was replaced. */
export type OnReplaced = () => void

/** Replaces U+0000 and lone surrogates, which Postgres can't store, by U+FFFD. */
export function storableText(text: string, onReplaced: OnReplaced): string {
  return text.replace(UNSTORABLE, () => {
    onReplaced()
    return REPLACEMENT
  })
}

/**
 * Converts a value to JSON that Postgres can store, as `JSON.stringify` would: `undefined` and functions are
 * left out, `NaN` and infinities become null. A bigint becomes its digits, and a circular reference a note.
 */
export function storableObject(value: object, onReplaced: OnReplaced): JsonObject {
  const json = storable(value, onReplaced, [])
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as JsonObject)
    : {}
}

function storable(
  value: unknown,
  onReplaced: OnReplaced,
  ancestors: readonly object[],
): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
      return storableText(value, onReplaced)
    case 'number':
      return Number.isFinite(value) ? value + 0 : null
    case 'bigint':
      return String(value)
    case 'boolean':
      return value
    case 'object':
      return value === null ? null : storableNested(value, onReplaced, ancestors)
    default:
      return undefined
  }
}

function storableNested(
  value: object,
  onReplaced: OnReplaced,
  ancestors: readonly object[],
): JsonValue | undefined {
  if (ancestors.includes(value)) return '[circular]'
  if (ancestors.length > MAX_DEPTH) return '[nested too deeply]'
  const path = [...ancestors, value]
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return storable(value.toJSON(), onReplaced, path)
  }
  if (Array.isArray(value)) return value.map((item) => storable(item, onReplaced, path) ?? null)
  const entries = Object.entries(value).flatMap(([key, item]) => {
    const json = storable(item, onReplaced, path)
    return json === undefined ? [] : [[storableText(key, onReplaced), json] as const]
  })
  return Object.fromEntries(entries)
}
