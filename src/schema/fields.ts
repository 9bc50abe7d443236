import * as z from 'zod/mini'

/** Maximum length of an id, in characters. Apps choose their ids; the library creates UUIDv7. */
export const MAX_ID_LENGTH = 128
/** Maximum length of a title, in characters. */
export const MAX_TITLE_LENGTH = 1_000
/** Length of a thread's `lastMessagePreview`, in characters. */
export const PREVIEW_LENGTH = 280

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

function isStorable(text: string): boolean {
  return !text.includes('\u0000') && !LONE_SURROGATE.test(text)
}

const NOT_STORABLE = 'must not hold U+0000 or a lone surrogate: Postgres cannot store them'

/** Text that Postgres can store. */
export const textField = z.string().check(z.refine(isStorable, NOT_STORABLE))

/** Text of limited length, in characters as Postgres counts them (an emoji is one). */
export function textUpTo(characters: number) {
  const message = `must not be longer than ${characters} characters`
  return textField.check(z.refine((text) => hasAtMost(text, characters), message))
}

function hasAtMost(text: string, characters: number): boolean {
  if (text.length <= characters) return true
  return text.length <= 2 * characters && Array.from(text).length <= characters
}

/** An id: 1 to 128 characters. */
export const idField = textUpTo(MAX_ID_LENGTH).check(z.minLength(1))

/** A title: 1 to 1,000 characters. */
export const titleField = textUpTo(MAX_TITLE_LENGTH).check(z.minLength(1))

const DATE_TIME =
  /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** Checks an ISO 8601 date and time with an offset. `z.iso` would bring its other formats into every app. */
function isDateTime(text: string): boolean {
  const [, date] = DATE_TIME.exec(text) ?? []
  const day = new Date(`${date}T00:00Z`)
  // JavaScript reads 30 February as 2 March.
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(String(date))
}

/** A point in time: a `Date`, or an ISO 8601 string with an offset, which becomes one. */
export const timestampInput = z.union([
  z.date(),
  z.pipe(
    z.string().check(z.refine(isDateTime, 'Invalid ISO datetime')),
    z.transform((text) => new Date(text)),
  ),
])

/** Any JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** A JSON object, as kept in a jsonb column. */
export type JsonObject = { readonly [key: string]: JsonValue }

/** Returns whether a JSON value is an object, and not an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns whether two JSON values are equal, whatever the order of their properties: Postgres has its own. */
export function isSameJson(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  if (one === other) return true
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => isSameJson(item, other[at]))
  }
  if (!isJsonObject(one) || !isJsonObject(other)) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => isSameJson(one[key], other[key]))
  )
}

/** A JSON value, or undefined for an omitted property. */
type JsonInput = JsonValue | undefined

const MAX_JSON_DEPTH = 100

function jsonProblem(value: unknown, depth = 0): string | undefined {
  if (depth > MAX_JSON_DEPTH) return `is nested deeper than ${MAX_JSON_DEPTH} levels`
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'holds a number that is not finite'
  if (typeof value === 'string') return isStorable(value) ? undefined : NOT_STORABLE
  if (Array.isArray(value)) return firstProblem(value, depth)
  if (isPlainObject(value))
    return firstProblem([...Object.keys(value), ...definedValues(value)], depth)
  return `holds a ${typeof value}, which is not JSON`
}

function firstProblem(values: readonly unknown[], depth: number): string | undefined {
  for (const value of values) {
    const problem = jsonProblem(value, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

function definedValues(value: object): JsonInput[] {
  return Object.values(value).filter((entry) => entry !== undefined)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function checkJson(value: unknown, context: z.core.$RefinementCtx): void {
  const problem = jsonProblem(value)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
}

/** Any JSON value that jsonb can store. */
export const jsonField = /* @__PURE__ */ (() =>
  z.custom<JsonValue>((value) => value !== undefined).check(z.superRefine(checkJson)))()

/** A JSON object that jsonb can store. */
export const jsonObjectField = z
  .custom<JsonObject>(isPlainObject, 'must be a JSON object')
  .check(z.superRefine(checkJson))

/** A JSON array that jsonb can store. */
export const jsonArrayField = z
  .custom<readonly JsonValue[]>(Array.isArray, 'must be a JSON array')
  .check(z.superRefine(checkJson))

/** A whole number of 0 or more that JavaScript and a bigint column hold exactly. */
export const countField = z.int().check(z.nonnegative())

/** A whole number of 0 or more that an integer column holds. */
export const integerField = countField.check(z.maximum(2_147_483_647))

/** The preview of a message. As in Postgres, an emoji counts as one character. */
export const previewField = /* @__PURE__ */ (() =>
  textField.check(
    z.refine(
      (text) => text.length <= PREVIEW_LENGTH || [...text].length <= PREVIEW_LENGTH,
      `must have at most ${PREVIEW_LENGTH} characters`,
    ),
  ))()
