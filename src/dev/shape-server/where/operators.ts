import type { PgType } from './expression.ts'

/** One way an operator or function can be called. */
export interface Signature {
  readonly args: readonly PgType[]
  readonly returns: PgType
}

const numeric = ['int2', 'int4', 'int8', 'float4', 'float8', 'numeric']
const integral = ['int2', 'int4', 'int8']
const comparable = [...numeric, 'text', 'uuid', 'date', 'time', 'timestamp', 'timestamptz']

const operators = new Map<string, Signature[]>()
const functions = new Map<string, Signature[]>()

function operator(name: string, args: readonly PgType[], returns: PgType) {
  const key = `${name}/${args.length}`
  operators.set(key, [...(operators.get(key) ?? []), { args, returns }])
}

function define(name: string, args: readonly PgType[], returns: PgType) {
  const key = `${name}/${args.length}`
  functions.set(key, [...(functions.get(key) ?? []), { args, returns }])
}

for (const type of comparable) {
  for (const name of ['=', '<>', '<', '>', '<=', '>=']) operator(name, [type, type], 'bool')
}
for (const name of ['=', '<>', '<', '>', '<=', '>=']) operator(name, ['anyenum', 'anyenum'], 'bool')
for (const name of ['=', '<>']) {
  for (const type of ['bool', 'interval', 'anyarray']) operator(name, [type, type], 'bool')
}
for (const type of numeric) {
  for (const name of ['+', '-', '*']) operator(name, [type, type], type)
  for (const name of ['+', '-', '@']) operator(name, [type], type)
}
for (const type of [...integral, 'float8']) operator('/', [type, type], type)
for (const type of ['numeric', 'float8']) operator('^', [type, type], type)
operator('|/', ['float8'], 'float8')
for (const type of integral) {
  for (const name of ['&', '|', '#']) operator(name, [type, type], type)
}
operator('||', ['text', 'text'], 'text')
for (const name of ['~~', '~~*', '!~~', '!~~*']) operator(name, ['text', 'text'], 'bool')
for (const name of ['@>', '<@', '&&']) operator(name, ['anyarray', 'anyarray'], 'bool')
operator('||', ['anyarray', 'anyarray'], 'anyarray')
operator('||', ['anyelement', 'anyarray'], 'anyarray')
operator('||', ['anyarray', 'anyelement'], 'anyarray')

const dateMath: [string, PgType, PgType, PgType][] = [
  ['+', 'date', 'int8', 'date'],
  ['+', 'int8', 'date', 'date'],
  ['-', 'date', 'date', 'int8'],
  ['-', 'date', 'int8', 'date'],
  ['+', 'date', 'time', 'timestamp'],
  ['+', 'time', 'date', 'timestamp'],
  ['+', 'interval', 'interval', 'interval'],
  ['-', 'interval', 'interval', 'interval'],
  ['-', 'timestamp', 'timestamp', 'interval'],
  ['-', 'timestamptz', 'timestamptz', 'interval'],
  ['*', 'interval', 'float8', 'interval'],
  ['*', 'float8', 'interval', 'interval'],
]
for (const [name, left, right, returns] of dateMath) operator(name, [left, right], returns)
for (const [type, returns] of [
  ['date', 'timestamp'],
  ['timestamp', 'timestamp'],
  ['timestamptz', 'timestamptz'],
  ['time', 'time'],
] as const) {
  operator('+', [type, 'interval'], returns)
  operator('+', ['interval', type], returns)
  operator('-', [type, 'interval'], returns)
}

for (const name of ['lower', 'upper']) define(name, ['text'], 'text')
for (const name of ['justify_days', 'justify_hours', 'justify_interval']) {
  define(name, ['interval'], 'interval')
}
define('timezone', ['text', 'timestamp'], 'timestamptz')
define('timezone', ['text', 'timestamptz'], 'timestamp')
define('array_cat', ['anyarray', 'anyarray'], 'anyarray')
define('array_prepend', ['anyelement', 'anyarray'], 'anyarray')
define('array_append', ['anyarray', 'anyelement'], 'anyarray')
define('array_ndims', ['anyarray'], 'int4')
for (const type of [...numeric, 'bool', 'uuid', 'text', 'date', 'time', 'timestamp', 'interval']) {
  define(type, ['text'], type)
}

/** The ways to call an operator with so many arguments; undefined for an unknown one. */
export function operatorSignatures(name: string, arity: number): readonly Signature[] | undefined {
  return operators.get(`${name}/${arity}`)
}

/** The ways to call a function with so many arguments; undefined for an unknown one. */
export function functionSignatures(name: string, arity: number): readonly Signature[] | undefined {
  return functions.get(`${name}/${arity}`)
}
