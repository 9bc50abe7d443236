import type { PgType } from './expression.ts'
import type { Signature } from './operators.ts'
import { castsImplicitly, categoryOf, elementOf, isArray, isPreferred } from './types.ts'

/**
 * Picks the overload Postgres would: exact match, then (operators) a literal taken as the other
 * side's type, then implicit casts, most exact matches, preferred types, type categories.
 *
 * @param types - `unknown` for literals.
 * @returns undefined when none or several remain.
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

/** Replaces `anyarray`, `anyelement` and `anyenum` by the one type that all arguments agree on. */
function withoutPolymorphism(choice: Signature, types: readonly PgType[]): Signature | undefined {
  if (!choice.args.some((arg) => arg.startsWith('any'))) return choice
  let element: PgType | undefined
  for (const [i, arg] of choice.args.entries()) {
    const type = types[i]
    if (type === undefined || type === 'unknown' || !arg.startsWith('any')) continue
    if (arg === 'anyarray' && !isArray(type)) return undefined
    if (arg === 'anyenum' && (!type.startsWith('enum ') || isArray(type))) return undefined
    const candidate = arg === 'anyarray' ? elementOf(type) : type
    if (element === undefined || castsImplicitly(element, candidate)) element = candidate
    else if (!castsImplicitly(candidate, element)) return undefined
  }
  if (element === undefined && choice.args.includes('anyenum')) return undefined
  const resolve = (arg: PgType) => {
    if (arg === 'anyarray') return `${element ?? 'text'}[]`
    return arg === 'anyelement' || arg === 'anyenum' ? (element ?? 'text') : arg
  }
  return { args: choice.args.map(resolve), returns: resolve(choice.returns) }
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
  if (!types.includes('unknown')) return [...choices]
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
