import type { PgType } from './expression.ts'
import { isTemporalLiteral } from './temporal.ts'
import { elementOf, isArray } from './types.ts'

const textTypes = new Set(['text', 'varchar', 'name', 'bpchar'])
const patterns: Record<string, RegExp> = {
  bool: /^(t|tr|tru|true|f|fa|fal|fals|false)$/,
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  float8: /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i,
  interval: /\S/,
}
const ranges: Record<string, bigint> = { int2: 1n << 15n, int4: 1n << 31n, int8: 1n << 63n }

/**
 * Whether a literal can be read as a type, by the engine's rules, which are stricter than Postgres'
 * (a timestamptz needs a time and a zone, a boolean is no `yes`, a number has no spaces).
 *
 * @example
 * isLiteralOf('abc', 'int4') // false
 */
export function isLiteralOf(value: string, type: PgType): boolean {
  if (textTypes.has(type)) return true
  if (isArray(type)) return isArrayLiteral(value, elementOf(type))
  const limit = ranges[type]
  if (limit !== undefined) {
    if (!/^[+-]?\d+$/.test(value)) return false
    const number = BigInt(value.replace(/^\+/, ''))
    return number >= -limit && number < limit
  }
  const pattern = patterns[type === 'float4' || type === 'numeric' ? 'float8' : type]
  return isTemporalLiteral(value, type) ?? pattern?.test(value) ?? false
}

/**
 * The text Postgres prints for a literal of a type whose values print in one way only; undefined for
 * the other types. Equal texts are then equal values.
 *
 * @example
 * canonicalText('007', 'int4') // '7'
 */
export function canonicalText(value: string, type: PgType): string | undefined {
  if (type === 'text' || type === 'varchar') return value
  if (type in ranges) return String(BigInt(value.replace(/^\+/, '')))
  if (type === 'uuid') return value.toLowerCase()
  if (type === 'bool') return value.startsWith('t') ? 't' : 'f'
  return undefined
}

function isArrayLiteral(value: string, element: PgType): boolean {
  const elements = parseArray(value)
  return elements?.every((item) => item === null || isLiteralOf(item, element)) ?? false
}

/**
 * The elements of an array literal, nested arrays flattened; undefined when it is none.
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
    if (match[1]) depth += match[1] === '{' ? 1 : -1
    else if (depth === 0) return undefined
    else if (match[2] !== undefined) elements.push(match[2].replaceAll(/\\([\s\S])/g, '$1'))
    else elements.push(/^null$/i.test(match[3] ?? '') ? null : (match[3] ?? ''))
    if (depth === 0 && token.lastIndex < source.length) return undefined
  }
  return depth === 0 && source.startsWith('{') ? elements : undefined
}
