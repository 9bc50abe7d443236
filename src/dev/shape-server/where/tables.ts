import type { PgType } from './expression.ts'

/**
 * The types, operators, functions and casts that the engine supports, in the notation of its source
 * (`eval/env/known_functions.ex` and its neighbours), so that the two can be compared line by line.
 */

/** The category of each type; `preferred` types win between overloads. */
const TYPES: Record<string, string> = {
  bool: 'boolean, preferred',
  int2: 'numeric',
  int4: 'numeric',
  int8: 'numeric',
  float4: 'numeric',
  float8: 'numeric, preferred',
  numeric: 'numeric',
  name: 'string',
  text: 'string, preferred',
  varchar: 'string',
  bpchar: 'string',
  date: 'datetime',
  time: 'datetime',
  timestamp: 'datetime',
  timestamptz: 'datetime, preferred',
  interval: 'timespan, preferred',
  unknown: 'unknown',
  bytea: 'user',
  uuid: 'user',
  json: 'user',
  jsonb: 'user',
}

/** Names that stand for each of several types in a signature. */
const TYPE_GROUPS: Record<string, readonly PgType[]> = {
  '*integral_type*': ['int2', 'int4', 'int8'],
  '*numeric_type*': ['int2', 'int4', 'int8', 'float4', 'float8', 'numeric'],
  '*comparable*': [
    ...['int2', 'int4', 'int8', 'float4', 'float8', 'numeric'],
    ...['text', 'uuid', 'date', 'time', 'timestamp', 'timestamptz'],
  ],
}

const OPERATORS = `
  *comparable* = *comparable* -> bool
  *comparable* <> *comparable* -> bool
  *comparable* < *comparable* -> bool
  *comparable* > *comparable* -> bool
  *comparable* <= *comparable* -> bool
  *comparable* >= *comparable* -> bool
  bool = bool -> bool
  bool <> bool -> bool
  interval = interval -> bool
  interval <> interval -> bool
  anyenum = anyenum -> bool
  anyenum <> anyenum -> bool

  + *numeric_type* -> *numeric_type*
  - *numeric_type* -> *numeric_type*
  @ *numeric_type* -> *numeric_type*
  ~ *integral_type* -> *integral_type*
  |/ float8 -> float8
  *numeric_type* + *numeric_type* -> *numeric_type*
  *numeric_type* - *numeric_type* -> *numeric_type*
  *numeric_type* * *numeric_type* -> *numeric_type*
  *integral_type* / *integral_type* -> *integral_type*
  float8 / float8 -> float8
  numeric ^ numeric -> numeric
  float8 ^ float8 -> float8
  *integral_type* & *integral_type* -> *integral_type*
  *integral_type* | *integral_type* -> *integral_type*
  *integral_type* # *integral_type* -> *integral_type*

  text || text -> text
  text ~~ text -> bool
  text ~~* text -> bool
  text !~~ text -> bool
  text !~~* text -> bool

  date + int8 -> date
  int8 + date -> date
  date - int8 -> date
  date - date -> int8
  date + time -> timestamp
  time + date -> timestamp
  date + interval -> timestamp
  interval + date -> timestamp
  date - interval -> timestamp
  timestamp + interval -> timestamp
  interval + timestamp -> timestamp
  timestamp - interval -> timestamp
  timestamp - timestamp -> interval
  timestamptz + interval -> timestamptz
  interval + timestamptz -> timestamptz
  timestamptz - interval -> timestamptz
  timestamptz - timestamptz -> interval
  time + interval -> time
  interval + time -> time
  time - interval -> time
  interval + interval -> interval
  interval - interval -> interval
  interval * float8 -> interval
  float8 * interval -> interval

  anyarray = anyarray -> bool
  anyarray <> anyarray -> bool
  anyarray @> anyarray -> bool
  anyarray <@ anyarray -> bool
  anyarray && anyarray -> bool
  anycompatiblearray || anycompatiblearray -> anycompatiblearray
  anycompatible || anycompatiblearray -> anycompatiblearray
  anycompatiblearray || anycompatible -> anycompatiblearray
`

const FUNCTIONS = `
  *numeric_type*(text) -> *numeric_type*
  bool(text) -> bool
  uuid(text) -> uuid
  text(text) -> text
  date(text) -> date
  time(text) -> time
  timestamp(text) -> timestamp
  timestamptz(text) -> timestamp
  interval(text) -> interval
  lower(text) -> text
  upper(text) -> text
  concat(VARIADIC any) -> text
  like(text, text) -> bool
  ilike(text, text) -> bool
  justify_days(interval) -> interval
  justify_hours(interval) -> interval
  justify_interval(interval) -> interval
  timezone(text, timestamp) -> timestamptz
  timezone(text, timestamptz) -> timestamp
  array_cat(anycompatiblearray, anycompatiblearray) -> anycompatiblearray
  array_prepend(anycompatible, anycompatiblearray) -> anycompatiblearray
  array_append(anycompatiblearray, anycompatible) -> anycompatiblearray
  array_ndims(anyarray) -> int4
`

/** `timestamptz` is missing as a target: those casts would depend on the time zone of the session. */
const IMPLICIT_CASTS: Record<string, readonly PgType[]> = {
  int2: ['int4', 'int8', 'numeric', 'float4', 'float8'],
  int4: ['int8', 'numeric', 'float4', 'float8'],
  int8: ['numeric', 'float4', 'float8'],
  numeric: ['float4', 'float8'],
  float4: ['float8'],
  text: ['varchar', 'bpchar', 'name'],
  varchar: ['text', 'bpchar', 'name'],
  bpchar: ['text', 'varchar', 'name'],
  name: ['text'],
  date: ['timestamp'],
  time: ['interval'],
}

/** Casts that only `::` does, besides those from and to text. */
const EXPLICIT_CASTS: Record<string, readonly PgType[]> = {
  bool: ['int4'],
  int4: ['bool'],
}

/**
 * One way to call an operator or function. Polymorphic arguments: `any` takes any type; those named
 * `anycompatible…` agree on a type that all can be cast to; the other `any…` have to be of the same type.
 */
export interface Signature {
  readonly args: readonly PgType[]
  readonly returns: PgType
}

/** Returns the overloads of an operator with so many operands; undefined for an unknown one. */
export function operatorSignatures(name: string, arity: number): readonly Signature[] | undefined {
  return operators.get(`${name}/${arity}`)
}

/** Returns the overloads of a function with so many arguments; undefined for an unknown one. */
export function functionSignatures(name: string, arity: number): readonly Signature[] | undefined {
  const variadic = functions.get(`${name}/any`)
  if (variadic && arity > 0) {
    return variadic.map(({ returns }) => ({ args: new Array(arity).fill('any'), returns }))
  }
  return functions.get(`${name}/${arity}`)
}

export function isArray(type: PgType): boolean {
  return type.endsWith('[]')
}

export function elementOf(type: PgType): PgType {
  return isArray(type) ? type.slice(0, -2) : type
}

/** Returns whether `::` can name a type. */
export function isCastTarget(type: PgType): boolean {
  return type in TYPES && type !== 'unknown'
}

/** Returns the type category, which decides between overloads. */
export function categoryOf(type: PgType): string {
  if (isArray(type)) return 'array'
  return (TYPES[type] ?? 'user').replace(', preferred', '')
}

export function isPreferred(type: PgType): boolean {
  return TYPES[type]?.endsWith('preferred') ?? false
}

export function castsImplicitly(from: PgType, to: PgType): boolean {
  if (from === to) return true
  if (isArray(from) && isArray(to)) return castsImplicitly(elementOf(from), elementOf(to))
  return IMPLICIT_CASTS[from]?.includes(to) ?? false
}

/** Returns whether `::` can convert an expression (not a literal) of a type. */
export function castsExplicitly(from: PgType, to: PgType): boolean {
  if (castsImplicitly(from, to)) return true
  if (isArray(from) && isArray(to)) return castsExplicitly(elementOf(from), elementOf(to))
  if (to === 'text') return from.startsWith('enum ') || castsToText(from)
  if (from === 'text') return castsToText(elementOf(to))
  return EXPLICIT_CASTS[from]?.includes(to) ?? false
}

function castsToText(type: PgType): boolean {
  return type in TYPES && (categoryOf(type) !== 'user' || type === 'uuid')
}

const operators = new Map<string, Signature[]>()
const functions = new Map<string, Signature[]>()
for (const line of linesOf(OPERATORS)) {
  const [call = '', returns = ''] = line.split(' -> ')
  const words = call.split(' ')
  const name = words.length === 2 ? words[0] : words[1]
  const args = words.length === 2 ? words.slice(1) : [words[0] ?? '', words[2] ?? '']
  add(operators, `${name}/${args.length}`, { args, returns })
}
for (const line of linesOf(FUNCTIONS)) {
  const [, name = '', list = '', returns = ''] = /^(.*)\((.*)\) -> (.*)$/.exec(line) ?? []
  const args = list.split(', ')
  const arity = list.startsWith('VARIADIC') ? 'any' : args.length
  add(functions, `${name}/${arity}`, { args, returns })
}

function linesOf(table: string): string[] {
  const lines = table.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '').flatMap(expandGroup)
}

/** Repeats a line for every type of the group it names. */
function expandGroup(line: string): string[] {
  const group = /\*\w+\*/.exec(line)?.[0]
  if (group === undefined) return [line]
  return (TYPE_GROUPS[group] ?? []).map((type) => line.replaceAll(group, type))
}

function add(table: Map<string, Signature[]>, key: string, signature: Signature): void {
  table.set(key, [...(table.get(key) ?? []), signature])
}
