import type { JsonObject, JsonValue } from '../schema/fields.ts'
import { boundedText, storableText } from './storable-text.ts'

const MAX_STRING = 4_000
const MAX_CHARACTERS = 32_000
const MAX_DEPTH = 20
/** What a long run of base64 looks like: no blank, and all sorts of characters. */
const BASE64 = /^(?=.{0,999}[0-9])(?=.{0,999}[a-z])(?=.{0,999}[A-Z])[\w+/-]{1000}/
const BASE64_URL = /^data:([\w.+-]+\/[\w.+-]+)[^,]{0,100};base64,/
const OPAQUE_KEYS: ReadonlySet<string> = new Set(['encrypted_content', 'signature'])

/** What became of an event's texts, in UTF-16 code units. */
export interface Tally {
  /** How much is kept, about. */
  kept: number
  /** How much Postgres could not have stored. */
  replaced: number
}

interface Budget {
  left: number
  readonly onReplaced: (count: number) => void
}

/**
 * Copies a parsed JSON object so that jsonb can store it and it stays small: images and opaque
 * blobs become a note of their size, long strings are cut, and what exceeds 32,000 characters in
 * all or 20 levels is left out, each with a mark in its place.
 *
 * @param tally counts what was kept and what Postgres could not have stored.
 */
export function boundedJson(value: Readonly<Record<string, unknown>>, tally?: Tally): JsonObject {
  const budget = {
    left: MAX_CHARACTERS,
    onReplaced: (count: number) => {
      if (tally) tally.replaced += count
    },
  }
  const copied = copyObject(value, budget, 0)
  if (tally) tally.kept += MAX_CHARACTERS - budget.left
  return copied
}

function copy(value: unknown, budget: Budget, depth: number): JsonValue {
  if (typeof value === 'string') return copyString(value, budget)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'boolean' || typeof value !== 'object' || value === null) {
    return typeof value === 'boolean' ? value : null
  }
  if (depth >= MAX_DEPTH) return '[nested too deep]'
  return Array.isArray(value) ? copyArray(value, budget, depth) : copyObject(value, budget, depth)
}

function copyString(value: string, budget: Budget): string {
  const mediaType = BASE64_URL.exec(value)?.[1]
  if (mediaType !== undefined) return `[${mediaType}, ${value.length} characters of base64]`
  if (BASE64.test(value)) return `[${value.length} characters of base64]`
  if (budget.left <= 0) return value === '' ? '' : `[${value.length} characters left out]`
  const text = storableText(boundedText(value, MAX_STRING), budget.onReplaced)
  budget.left -= text.length
  return text
}

function copyArray(values: readonly unknown[], budget: Budget, depth: number): JsonValue {
  const copied: JsonValue[] = []
  for (const [index, value] of values.entries()) {
    if (budget.left <= 0) return [...copied, `[${values.length - index} elements left out]`]
    budget.left -= 1
    copied.push(copy(value, budget, depth + 1))
  }
  return copied
}

function copyObject(value: object, budget: Budget, depth: number): JsonObject {
  const copied = new Map<string, JsonValue>()
  const entries = Object.entries(value)
  for (const [index, [key, entry]] of entries.entries()) {
    if (budget.left <= 0) {
      copied.set('…', `[${entries.length - index} properties left out]`)
      break
    }
    const name = storableText(boundedText(key, 200), budget.onReplaced)
    budget.left -= name.length
    copied.set(name, OPAQUE_KEYS.has(key) ? opaque(entry) : copy(entry, budget, depth + 1))
  }
  return Object.fromEntries(copied)
}

function opaque(value: unknown): JsonValue {
  return typeof value === 'string' ? `[${value.length} opaque characters]` : null
}
