import type { PgType } from './expression.ts'

const categories: Record<string, string> = {
  bool: 'boolean',
  int2: 'numeric',
  int4: 'numeric',
  int8: 'numeric',
  float4: 'numeric',
  float8: 'numeric',
  numeric: 'numeric',
  name: 'string',
  text: 'string',
  varchar: 'string',
  bpchar: 'string',
  date: 'datetime',
  time: 'datetime',
  timestamp: 'datetime',
  timestamptz: 'datetime',
  interval: 'timespan',
  unknown: 'unknown',
}

const preferred = new Set(['bool', 'float8', 'text', 'timestamptz', 'interval'])

const implicit: Record<string, readonly string[]> = {
  int2: ['int4', 'int8', 'numeric', 'float4', 'float8'],
  int4: ['int8', 'numeric', 'float4', 'float8'],
  int8: ['numeric', 'float4', 'float8'],
  numeric: ['float4', 'float8'],
  float4: ['float8'],
  text: ['varchar', 'bpchar', 'name'],
  varchar: ['text', 'bpchar', 'name'],
  bpchar: ['text', 'varchar', 'name'],
  name: ['text'],
  date: ['timestamp', 'timestamptz'],
  timestamp: ['timestamptz'],
  time: ['interval'],
}

/** Types a cast may name. */
export const castableTypes = new Set([
  ...Object.keys(categories).filter((type) => type !== 'unknown'),
  'uuid',
  'bytea',
  'json',
  'jsonb',
])

export function isArray(type: PgType): boolean {
  return type.endsWith('[]')
}

export function elementOf(type: PgType): PgType {
  return isArray(type) ? type.slice(0, -2) : type
}

/** The type category that decides between overloads. */
export function categoryOf(type: PgType): string {
  if (isArray(type)) return 'array'
  return categories[type] ?? 'user'
}

export function isPreferred(type: PgType): boolean {
  return preferred.has(type)
}

export function castsImplicitly(from: PgType, to: PgType): boolean {
  if (from === to) return true
  if (isArray(from) && isArray(to)) return castsImplicitly(elementOf(from), elementOf(to))
  return implicit[from]?.includes(to) ?? false
}

/** Whether an explicit cast between two types of non-literals is known. */
export function castsExplicitly(from: PgType, to: PgType): boolean {
  if (castsImplicitly(from, to)) return true
  if (isArray(from) && isArray(to)) return castsExplicitly(elementOf(from), elementOf(to))
  if (to === 'text') return from.startsWith('enum ') || hasText(from)
  if (from === 'text') return hasText(to)
  return (from === 'bool' && to === 'int4') || (from === 'int4' && to === 'bool')
}

function hasText(type: PgType): boolean {
  return type in categories || type === 'uuid'
}
