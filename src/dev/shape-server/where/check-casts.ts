import { type CheckContext, checkExpression, dotted } from './check-expression.ts'
import { isLiteralOf } from './constants.ts'
import type { Constant, Expression, PgType } from './expression.ts'
import { locationOf, nodeList, type PgFields, stringOf } from './pg-node.ts'
import { castableTypes, castsExplicitly } from './types.ts'
import { errorAt } from './where-error.ts'

/**
 * Reads a literal as a type.
 *
 * @throws WhereError where its text is none of the type.
 */
export function castConstant(
  constant: Constant,
  type: PgType,
  allowEnums: boolean | undefined,
): Constant {
  const known = allowEnums && type.startsWith('enum ')
  if (constant.value !== null && !known && !isLiteralOf(constant.value, type)) {
    const message = `invalid syntax for type ${type}: ${constant.value}`
    throw errorAt(constant.location, message)
  }
  return { ...constant, type }
}

/** `value::type` */
export function checkCast(fields: PgFields, context: CheckContext): Expression {
  const arg = checkExpression(fields.arg, context)
  const target = typeOf(fields.typeName as PgFields)
  if (arg.kind === 'constant') return castLiteral(arg, target, context)
  if (arg.type === target) return arg
  if (!castsExplicitly(arg.type, target)) {
    const message = `unknown cast from type ${arg.type} to type ${target}`
    throw errorAt(arg.location, message)
  }
  return {
    kind: 'call',
    type: target,
    name: `${arg.type}_to_${target}`,
    args: [arg],
    location: arg.location,
    sql: ([text]) => `(${text})::pg_catalog.${target}`,
  }
}

function castLiteral(constant: Constant, target: PgType, context: CheckContext): Constant {
  const { location } = constant
  const from = constant.type === 'unknown' ? 'text' : constant.type
  const isFlag = from === 'int4' && target === 'bool' && constant.value !== null
  const value = isFlag ? String(Number(constant.value) !== 0) : constant.value
  if (value !== null && !isLiteralOf(value, target)) {
    const message = `could not cast value ${JSON.stringify(value)} from ${from} to ${target}`
    throw errorAt(location, message)
  }
  const typed = { ...constant, value, type: target }
  if (typed.param !== undefined) context.decided.set(typed.param, typed)
  return typed
}

function typeOf(fields: PgFields): PgType {
  const names = nodeList(fields.names).map(stringOf)
  const name = names.at(-1) ?? ''
  const schema = names.length > 1 ? names[0] : undefined
  if (!castableTypes.has(name) || (schema !== undefined && schema !== 'pg_catalog')) {
    throw errorAt(locationOf(fields), `unsupported type ${dotted(names)}`)
  }
  return nodeList(fields.arrayBounds).length > 0 ? `${name}[]` : name
}
