import type { PgType } from './expression.ts'
import {
  castsImplicitly,
  categoryOf,
  elementOf,
  isArray,
  isPreferred,
  type Signature,
} from './tables.ts'

/**
 * Picks the overload that Postgres would: an exact match; for operators, a literal taken as the other
 * operand's type; then implicit casts, most exact matches, preferred types, type categories.
 *
 * @param types `unknown` for literals
 * @returns undefined when none or several remain
 * @example
 * pickOverload(operatorSignatures('=', 2), ['int4', 'unknown'], true)
 */
export function pickOverload(
  choices: readonly Signature[],
  types: readonly PgType[],
  isOperator: boolean,
): Signature | undefined {
  const exact = exactMatch(choices, types) ?? (isOperator && assumedMatch(choices, types))
  if (exact) return exact
  const filters = [byImplicitCast, byExactCount, byPreferred, byCategory, byKnownType]
  let left: readonly Signature[] = choices
  for (const filter of filters) {
    left = filter(left, types)
    if (left.length === 0) return undefined
    if (left.length === 1) return left[0]
  }
  return undefined
}

function exactMatch(choices: readonly Signature[], types: readonly PgType[]) {
  if (types.includes('unknown')) return undefined
  return choices.find((choice) => choice.args.every((arg, i) => arg === types[i]))
}

function assumedMatch(choices: readonly Signature[], types: readonly PgType[]) {
  const known = types.filter((type) => type !== 'unknown')
  if (types.length !== 2 || known.length !== 1) return undefined
  return exactMatch(choices, [known[0] as PgType, known[0] as PgType])
}

function byImplicitCast(choices: readonly Signature[], types: readonly PgType[]): Signature[] {
  return choices.flatMap((choice) => {
    const concrete = withoutPolymorphism(choice, types)
    if (!concrete) return []
    const fits = concrete.args.every(
      (arg, i) => types[i] === 'unknown' || castsImplicitly(types[i] as PgType, arg),
    )
    return fits ? [concrete] : []
  })
}

/** Replaces polymorphic arguments by the type that they agree on; undefined if they don't. */
function withoutPolymorphism(choice: Signature, types: readonly PgType[]): Signature | undefined {
  if (!choice.args.some((arg) => arg.startsWith('any'))) return choice
  let element: PgType | undefined
  for (const [i, arg] of choice.args.entries()) {
    const type = types[i]
    if (type === undefined || type === 'unknown' || arg === 'any' || !arg.startsWith('any')) {
      continue
    }
    if (arg.endsWith('array') && !isArray(type)) return undefined
    if (arg === 'anyenum' && (!type.startsWith('enum ') || isArray(type))) return undefined
    const candidate = arg.endsWith('array') ? elementOf(type) : type
    const casts = arg.startsWith('anycompatible')
    if (element === undefined || (casts && castsImplicitly(element, candidate))) element = candidate
    else if (candidate !== element && !(casts && castsImplicitly(candidate, element))) {
      return undefined
    }
  }
  if (element === undefined && choice.args.includes('anyenum')) return undefined
  const resolve = (arg: PgType, type?: PgType) => {
    if (!arg.startsWith('any')) return arg
    if (arg === 'any') return type === undefined || type === 'unknown' ? 'text' : type
    return arg.endsWith('array') ? `${element ?? 'text'}[]` : (element ?? 'text')
  }
  return {
    args: choice.args.map((arg, i) => resolve(arg, types[i])),
    returns: resolve(choice.returns),
  }
}

function byExactCount(choices: readonly Signature[], types: readonly PgType[]): Signature[] {
  return mostBy(choices, (choice) => choice.args.filter((arg, i) => arg === types[i]).length)
}

function byPreferred(choices: readonly Signature[], types: readonly PgType[]): Signature[] {
  return mostBy(
    choices,
    (choice) => choice.args.filter((arg, i) => arg !== types[i] && isPreferred(arg)).length,
  )
}

function byCategory(choices: readonly Signature[], types: readonly PgType[]): Signature[] {
  const wanted: (string | undefined)[] = []
  for (const [i, type] of types.entries()) {
    if (type !== 'unknown') continue
    const found = new Set(choices.map((choice) => categoryOf(choice.args[i] as PgType)))
    if (found.has('string')) wanted[i] = 'string'
    else if (found.size === 1) wanted[i] = [...found][0]
    else return [...choices]
  }
  const kept = choices.filter((choice) =>
    choice.args.every((arg, i) => wanted[i] === undefined || categoryOf(arg) === wanted[i]),
  )
  return kept.length > 0 ? kept : [...choices]
}

function byKnownType(choices: readonly Signature[], types: readonly PgType[]): Signature[] {
  const known = new Set(types.filter((type) => type !== 'unknown'))
  const [type] = known
  if (known.size !== 1 || type === undefined) return [...choices]
  return byImplicitCast(
    choices,
    types.map(() => type),
  )
}

function mostBy(choices: readonly Signature[], score: (choice: Signature) => number): Signature[] {
  const best = Math.max(...choices.map(score))
  return choices.filter((choice) => score(choice) === best)
}

/**
 * Returns the common type of a list of values, as for `ARRAY[…]` and `coalesce`; `text` for literals only.
 *
 * @param mismatch creates the error for two types without a common one
 */
export function unionType(
  types: readonly PgType[],
  mismatch: (left: PgType, right: PgType) => Error,
): PgType {
  let union: PgType = 'unknown'
  for (const type of types) {
    if (type === 'unknown' || type === union) continue
    if (union === 'unknown' || castsImplicitly(union, type)) union = type
    else if (!castsImplicitly(type, union)) throw mismatch(type, union)
  }
  return union === 'unknown' ? 'text' : union
}
