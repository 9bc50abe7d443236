import { type CheckContext, checkExpression, decide } from './check-expression.ts'
import type { Expression, PgType } from './expression.ts'
import { locationOf, nodeList, openNode, type PgFields } from './pg-node.ts'
import { castsImplicitly, elementOf, isArray } from './types.ts'
import { errorAt } from './where-error.ts'

/** `ARRAY[a, b]` */
export function checkArray(fields: PgFields, context: CheckContext): Expression {
  const location = locationOf(fields)
  const elements = nodeList(fields.elements).map((element) => checkExpression(element, context))
  const type = unionType(elements, (left, right) =>
    errorAt(location, `ARRAY types ${left} and ${right} cannot be matched`),
  )
  const args = elements.map((element) => decide(element, type, context))
  return {
    kind: 'call',
    type: isArray(type) ? type : `${type}[]`,
    name: 'array',
    args,
    location,
    sql: (parts) => `ARRAY[${parts.join(', ')}]`,
  }
}

/** `coalesce(a, b)` and others whose arguments share one type. */
export function checkUnion(fields: PgFields, context: CheckContext, name: string): Expression {
  const location = locationOf(fields)
  const parts = nodeList(fields.args).map((part) => checkExpression(part, context))
  const type = unionType(parts, (left, right) =>
    errorAt(location, `${name} types ${left} and ${right} cannot be matched`),
  )
  const args = parts.map((part) => decide(part, type, context))
  return { kind: 'call', type, name, args, location, sql: (a) => `${name}(${a.join(', ')})` }
}

/** The type that a list of values has together; `text` for literals only. */
function unionType(
  values: readonly Expression[],
  mismatch: (left: PgType, right: PgType) => Error,
): PgType {
  let type: PgType = 'unknown'
  for (const value of values) {
    if (value.type === 'unknown' || value.type === type) continue
    if (type === 'unknown' || castsImplicitly(type, value.type)) type = value.type
    else if (!castsImplicitly(value.type, type)) throw mismatch(value.type, type)
  }
  return type === 'unknown' ? 'text' : type
}

/** `a[1]`, `a[1:2]` */
export function checkIndirection(fields: PgFields, context: CheckContext): Expression {
  const arg = checkExpression(fields.arg, context)
  if (!isArray(arg.type)) {
    throw errorAt(arg.location, `cannot subscript type ${arg.type} because it is not an array`)
  }
  const steps = nodeList(fields.indirection).map((step) => openNode(step)[1])
  const slices = steps.some((step) => step.is_slice)
  const bounds = steps.flatMap((step) => [step.lidx, step.uidx])
  const given = bounds.filter((bound) => bound !== undefined)
  const indices = given.map((bound) => checkIndex(bound, context))
  return {
    kind: 'call',
    type: slices ? arg.type : elementOf(arg.type),
    name: 'subscript',
    args: [arg, ...indices],
    location: arg.location,
    sql: ([text, ...texts]) => `(${text})${subscripts(bounds, texts, slices)}`,
  }
}

/** A subscript of any integer type, or a number to round. */
function checkIndex(node: unknown, context: CheckContext): Expression {
  const index = decide(checkExpression(node, context), 'int8', context)
  if (!['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'].includes(index.type)) {
    throw errorAt(index.location, `${index.type} cannot be matched to int8`)
  }
  return index
}

/** One slice makes every subscript one, its lower bound 1. */
function subscripts(bounds: readonly unknown[], texts: readonly string[], slices: boolean): string {
  const rest = [...texts]
  const written = bounds.map((bound) => (bound === undefined ? '' : `(${rest.shift()})::int4`))
  const steps: string[] = []
  for (let at = 0; at < written.length; at += 2) {
    const [low = '', high = ''] = written.slice(at, at + 2)
    steps.push(slices ? `[${low || '1'}:${high}]` : `[${high}]`)
  }
  return steps.join('')
}
