import type { PgType } from './expression.ts'
import { elementOf, isArray } from './tables.ts'

const TEXT_TYPES = new Set(['text', 'varchar', 'name', 'bpchar'])
const INTEGER_BITS: Record<string, bigint> = { int2: 16n, int4: 32n, int8: 64n }

const FLOAT = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i
const PATTERNS: Record<string, RegExp> = {
  bool: /^(t|tr|tru|true|f|fa|fal|fals|false)$/,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  float4: FLOAT,
  float8: FLOAT,
  numeric: FLOAT,
  interval: /\S/,
}

/**
 * Returns whether the engine can read a literal as a type. Its rules are stricter than Postgres's: a
 * timestamptz needs a time and a zone, `yes` is not a boolean, a number has no spaces.
 *
 * @example
 * isLiteralOf('abc', 'int4') // false
 */
export function isLiteralOf(value: string, type: PgType): boolean {
  if (TEXT_TYPES.has(type)) return true
  if (isArray(type)) {
    const elements = parseArray(value)
    const isElement = (item: string | null) => item === null || isLiteralOf(item, elementOf(type))
    return elements?.every(isElement) ?? false
  }
  const bits = INTEGER_BITS[type]
  if (bits !== undefined) {
    if (!/^[+-]?\d+$/.test(value)) return false
    const number = toBigInt(value)
    return BigInt.asIntN(Number(bits), number) === number
  }
  if (type in TEMPORAL_FORMS) return isTemporalLiteral(value, type)
  return PATTERNS[type]?.test(value) ?? false
}

/**
 * Returns the text that Postgres prints for a literal, if all values of its type have one text each; else
 * undefined. Equal values then have equal texts.
 *
 * @example
 * canonicalText('007', 'int4') // '7'
 */
export function canonicalText(value: string, type: PgType): string | undefined {
  if (type === 'text' || type === 'varchar') return value
  if (type in INTEGER_BITS) return String(toBigInt(value))
  if (type === 'uuid') return value.toLowerCase()
  if (type === 'bool') return value.startsWith('t') ? 't' : 'f'
  return undefined
}

function toBigInt(value: string): bigint {
  return BigInt(value.replace(/^\+/, ''))
}

/**
 * Returns the elements of an array literal with nested arrays flattened; undefined for any other text.
 *
 * @example
 * parseArray('{a,"b,c",NULL}') // ['a', 'b,c', null]
 */
export function parseArray(text: string): (string | null)[] | undefined {
  const elements: (string | null)[] = []
  const token = /\s*(?:([{}])|"((?:[^"\\]|\\[\s\S])*)"|([^{},"\s](?:[^{},"]*[^{},"\s])?))\s*,?/y
  const source = text.trim()
  let depth = 0
  while (token.lastIndex < source.length) {
    const match = token.exec(source)
    if (!match) return undefined
    const [, brace, quoted, plain = ''] = match
    if (brace) depth += brace === '{' ? 1 : -1
    else if (depth === 0) return undefined
    else if (quoted !== undefined) elements.push(quoted.replaceAll(/\\([\s\S])/g, '$1'))
    else elements.push(/^null$/i.test(plain) ? null : plain)
    if (depth === 0 && token.lastIndex < source.length) return undefined
  }
  return depth === 0 && source.startsWith('{') ? elements : undefined
}

const DATE = String.raw`(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})`
const TIME = String.raw`(?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})(?:[.,]\d+)?`
const ZONE = String.raw`(?:Z|[+-]\d{2}(?::?\d{2})?)`
const TEMPORAL_FORMS: Record<string, RegExp> = {
  date: new RegExp(`^\\s*${DATE}\\s*$`),
  time: new RegExp(`^\\s*${TIME}(?<half>\\s*[AP]M)?\\s*$`, 'i'),
  timestamp: new RegExp(`^${DATE}[ T]${TIME}${ZONE}?$`),
  timestamptz: new RegExp(`^${DATE}[ T]${TIME}(?!-00:?00$|-00$)${ZONE}$`),
}
const LIMITS = { month: [1, 12], hour: [0, 23], minute: [0, 59], second: [0, 59] } as const

/** Returns whether a literal is ISO 8601 with seconds, and its day exists. */
function isTemporalLiteral(value: string, type: PgType): boolean {
  if (value === 'epoch') return type !== 'time'
  const parts = TEMPORAL_FORMS[type]?.exec(value)?.groups
  if (!parts) return false
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const part = parts[name]
    if (part !== undefined && (Number(part) < low || Number(part) > high)) return false
  }
  if (parts.half !== undefined && Number(parts.hour) > 12) return false
  return parts.day === undefined || dayExists(Number(parts.year), Number(parts.month), parts.day)
}

function dayExists(year: number, month: number, day: string): boolean {
  // Day 0 of the next month is the last of this one. `Date` would read years below 100 as 19xx.
  const last = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()
  return year > 0 && Number(day) >= 1 && Number(day) <= last
}
